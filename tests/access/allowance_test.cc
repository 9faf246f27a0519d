#include "access/allowance.h"

#include <gtest/gtest.h>

namespace carillon::access {
namespace {

using namespace std::chrono_literals;

constexpr Allowance::Clock::time_point kStart{std::chrono::hours(1)};

TEST(Allowance, P7GivesAtOnceWhatWasSavedUpAndThenSoMuchASecond) {
  Allowance allowance(100);
  // Given that all that can be saved up was taken.
  EXPECT_EQ(allowance.wait_for(400, kStart), 0s);
  allowance.take(400, kStart);
  // Then more comes at its rate.
  EXPECT_EQ(allowance.wait_for(1, kStart), 10ms);
  EXPECT_EQ(allowance.wait_for(100, kStart), 1s);
  EXPECT_EQ(allowance.wait_for(100, kStart + 600ms), 400ms);
  EXPECT_EQ(allowance.wait_for(100, kStart + 1s), 0s);
  // And no more is saved up than that.
  allowance.take(400, kStart + 1h);
  EXPECT_EQ(allowance.wait_for(1, kStart + 1h), 10ms);
}

TEST(Allowance, P7NeverGivesMoreThanItsRateHoweverItIsAsked) {
  Allowance allowance(1'000);
  std::uint64_t taken = 0;
  auto now = kStart;
  for (std::uint64_t i = 0; now < kStart + 60s; ++i, now += 7ms) {
    const auto amount = 1 + i * 37 % 90;
    if (allowance.wait_for(amount, now).count() > 0) continue;
    allowance.take(amount, now);
    taken += amount;
  }
  EXPECT_LE(taken, 64'000u);
  EXPECT_GE(taken, 62'000u) << "and hardly less";
}

TEST(Allowance, GivesMoreThanCanBeSavedUpWhenAllOfThatIsThere) {
  Allowance allowance(100);
  allowance.take(1, kStart);
  EXPECT_EQ(allowance.wait_for(8'000, kStart), 10ms) << "who asks for much is not refused for ever";
  EXPECT_EQ(allowance.wait_for(8'000, kStart, 1), 0ms) << "nor for the part that was taken just now";
  allowance.take(8'000, kStart + 10ms);
  EXPECT_EQ(allowance.owed(kStart + 10ms), 76s) << "but pays for it";
  EXPECT_EQ(allowance.owed(kStart + 80s), 0s);
}

TEST(Allowance, OwesNothingBeforeWhatWasSavedUpIsGone) {
  Allowance allowance(100);
  allowance.take(400, kStart);
  EXPECT_EQ(allowance.owed(kStart), 0s);
  allowance.take(50, kStart);
  EXPECT_EQ(allowance.owed(kStart), 500ms);
}

TEST(Allowance, ForgetsInTheEndWhateverWasTaken) {
  Allowance allowance(1);
  for (int i = 0; i < 1'000; ++i) allowance.take(~std::uint64_t{0}, kStart);
  EXPECT_EQ(allowance.owed(kStart + 1h), 0s);
}

TEST(Allowance, OfZeroIsWithoutLimit) {
  Allowance allowance(0);
  for (int i = 0; i < 10; ++i) allowance.take(~std::uint64_t{0}, kStart);
  EXPECT_EQ(allowance.wait_for(~std::uint64_t{0}, kStart), 0s);
  EXPECT_EQ(allowance.owed(kStart), 0s);
}

}  // namespace
}  // namespace carillon::access
