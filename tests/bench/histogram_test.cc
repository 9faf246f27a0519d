#include "bench/histogram.h"

#include <gtest/gtest.h>

#include "bench/row.h"

namespace carillon::bench {
namespace {

TEST(Histogram, TellsEveryDurationToWithin1Point6Percent) {
  for (std::int64_t duration = 1; duration < 20'000 * kSecond; duration += 1 + duration / 7) {
    // Given one duration, and a longer one so that the bucket's edge is seen.
    Histogram histogram;
    histogram.add(duration);
    histogram.add(2 * duration);
    const double told = histogram.quantile_ms(0) * 1e6;
    EXPECT_GE(told, static_cast<double>(duration));
    EXPECT_LE(told, static_cast<double>(duration) * (1 + 1.0 / 64));
  }
}

TEST(Histogram, QuantilesAreThoseOfWhatWasAdded) {
  Histogram histogram;
  for (std::int64_t i = 1; i <= 1'000; ++i) histogram.add(i * kMillisecond);
  EXPECT_EQ(histogram.count(), 1'000u);
  EXPECT_NEAR(histogram.quantile_ms(0.5), 500, 8);
  EXPECT_NEAR(histogram.quantile_ms(0.99), 990, 16);
  EXPECT_EQ(histogram.max_ms(), 1'000);
  EXPECT_EQ(histogram.quantile_ms(1), 1'000);
}

TEST(Histogram, MergingIsAsIfAllHadBeenAddedToOne) {
  Histogram one, other, both;
  for (std::int64_t i = 0; i < 500; ++i) {
    (i % 2 == 0 ? one : other).add(i * i);
    both.add(i * i);
  }
  one.merge(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.max_ms(), both.max_ms());
  for (const double share : {0.01, 0.5, 0.9, 0.999}) EXPECT_EQ(one.quantile_ms(share), both.quantile_ms(share));
}

TEST(Histogram, NothingAndTheExtremesAreNoTrouble) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile_ms(0.5), 0);
  histogram.add(-5);
  EXPECT_EQ(histogram.quantile_ms(0.5), 0);
  histogram.add(std::numeric_limits<std::int64_t>::max());
  EXPECT_GT(histogram.max_ms(), 1e12);
}

TEST(Row, IsPrintedInPeerbenchsFormat) {
  const Row row{.system = "carillon",
                .version = "0.1.0",
                .mode = "rate",
                .guarantee = "fsync",
                .rate = 1000,
                .notifications_per_event = 8,
                .events_per_s = 999.96,
                .notifications_per_s = 7999.5,
                .p50_ms = 1.23456,
                .p99_ms = 2,
                .p999_ms = 3,
                .max_ms = 4,
                .lost = 1,
                .duplicated = 2,
                .out_of_order = 3,
                .longest_silence_ms = 30.25,
                .duration_s = 10,
                .producers = 4,
                .hubs = 64,
                .players = 10000};
  EXPECT_EQ(json_of(row),
            R"({"system":"carillon","version":"0.1.0","mode":"rate","rate":1000,"notifications_per_event":8,)"
            R"("guarantee":"fsync","events_per_s":1000.0,"notifications_per_s":7999.5,"p50_ms":1.235,"p99_ms":2.000,)"
            R"("p999_ms":3.000,"max_ms":4.000,"lost":1,"duplicated":2,"out_of_order":3,"longest_silence_ms":30.2,)"
            R"("duration_s":10.00,"producers":4,"hubs":64,"players":10000})");
}

}  // namespace
}  // namespace carillon::bench
