#include "bench/meter.h"

#include <gtest/gtest.h>

#include "bench/clock.h"

namespace carillon::bench {
namespace {

TEST(Meter, TellsTheRateOfATimeAndTheLowestOfAnySecondInIt) {
  // Given a count that grows by 1,000 a second, by none for a second and a half, and by 1,000 again,
  Meter meter;
  std::uint64_t count = 0;
  for (std::int64_t tenth = 0; tenth <= 100; ++tenth) {
    meter.sample(tenth * 100 * kMillisecond, count);
    if (tenth < 40 || tenth >= 55) count += 100;
  }
  // then each time has its rate,
  EXPECT_DOUBLE_EQ(meter.rate(0, 4 * kSecond), 1'000);
  EXPECT_DOUBLE_EQ(meter.lowest_rate(0, 4 * kSecond), 1'000);
  // and what stood still for a whole second in it shows, however long it is.
  EXPECT_NEAR(meter.rate(0, 11 * kSecond), 850, 1);
  EXPECT_DOUBLE_EQ(meter.lowest_rate(0, 11 * kSecond), 0);
}

TEST(Meter, ATimeOfLessThanASecondHasOneRate) {
  Meter meter;
  for (std::int64_t tenth = 0; tenth <= 5; ++tenth)
    meter.sample(tenth * 100 * kMillisecond, static_cast<std::uint64_t>(tenth) * 10);
  EXPECT_DOUBLE_EQ(meter.lowest_rate(0, kSecond), 100);
  EXPECT_DOUBLE_EQ(meter.rate(0, kSecond), 100);
}

TEST(Meter, KnowsNothingOfATimeWithoutSamples) {
  Meter meter;
  EXPECT_EQ(meter.rate(0, kSecond), 0);
  meter.sample(0, 7);
  EXPECT_EQ(meter.rate(0, kSecond), 0);
  EXPECT_EQ(meter.lowest_rate(0, kSecond), 0);
}

TEST(Meter, KeepsATenthOfASecondsGrain) {
  Meter meter;
  for (std::int64_t millisecond = 0; millisecond <= 1'000; ++millisecond)
    meter.sample(millisecond * kMillisecond, static_cast<std::uint64_t>(millisecond));
  EXPECT_DOUBLE_EQ(meter.rate(0, 2 * kSecond), 1'000);
}

}  // namespace
}  // namespace carillon::bench
