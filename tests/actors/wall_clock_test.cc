// Retries, reminders and retention go by the wall clock, which people and NTP set.
#include "actors/wall_clock.h"

#include <gtest/gtest.h>

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;

class WallClockTest : public ::testing::Test {
 protected:
  // Both of the machine's clocks go on, in small steps; what it says then.
  UnixMs after(std::chrono::milliseconds time) {
    const auto step = time < 1s ? 1ms : 100ms;
    UnixMs said = 0;
    for (auto passed = 0ms; passed < time; passed += step) {
      wall_ += step;
      steady_ += step;
      said = clock_.at(wall_, steady_);
    }
    return said;
  }
  void set(std::chrono::milliseconds by) { wall_ += by; }

  WallClock clock_;
  WallClock::Wall::time_point wall_{1'000'000ms};
  WallClock::Steady::time_point steady_{1s};
};

TEST_F(WallClockTest, SaysWhatTheMachineSays) { EXPECT_EQ(after(10ms), 1'000'010); }

TEST_F(WallClockTest, FollowsAtOnceWhenItIsSetForward) {
  after(10ms);
  set(59min);
  EXPECT_EQ(after(10ms), 1'000'020 + 3'540'000);
}

// Retention and the deduplication horizon go by it.
TEST_F(WallClockTest, P2IsNotTakenInByAClockThatIsWrongForAWhile) {
  after(10ms);
  // When the machine's clock is 40 days ahead for some minutes, then nothing has grown older by that.
  set(960h);
  EXPECT_EQ(after(9min), 1'000'010 + 540'000);
  set(-960h);
  EXPECT_EQ(after(1min), 1'000'010 + 600'000);
  // When it stays so, it was wrong before.
  set(960h);
  EXPECT_EQ(after(11min), 1'000'010 + 660'000 + 600'000 + 3'456'000'000);
}

TEST_F(WallClockTest, P6NeverStandsStillNorGoesBackAndCatchesUpWhenItIsSetBack) {
  after(10ms);
  set(-100ms);
  EXPECT_EQ(after(20ms), 1'000'020);   // A retry in 10 ms has come due, though the machine says 999,930.
  EXPECT_EQ(after(180ms), 1'000'110);  // As the machine does,
  EXPECT_EQ(after(10ms), 1'000'120);   // and from here on with it.
}

}  // namespace
}  // namespace carillon::actors
