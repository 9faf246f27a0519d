#include "runtime/pace.h"

#include <gtest/gtest.h>

namespace carillon::runtime {
namespace {

constexpr std::size_t kMiB = 1 << 20;

TEST(Pace, IsFreeWhileCompactionKeepsUp) {
  for (std::size_t files = 0; files <= 6; ++files) EXPECT_EQ(pause_after(64 * kMiB, files).count(), 0) << files;
}

TEST(Pace, IsHalvedWithEveryTableThatWaits) {
  auto last = pause_after(kMiB / 8, 7);
  EXPECT_GT(last.count(), 0);
  for (std::size_t files = 8; files <= 11; ++files) {
    const auto pause = pause_after(kMiB / 8, files);
    EXPECT_NEAR(static_cast<double>(pause.count()), 2.0 * static_cast<double>(last.count()), 2.0) << files;
    last = pause;
  }
}

TEST(Pace, NeverMakesAnybodyWaitForLong) { EXPECT_EQ(pause_after(1'024 * kMiB, 100), kPauseMax); }

}  // namespace
}  // namespace carillon::runtime
