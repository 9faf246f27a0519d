#include "runtime/busiest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace carillon::runtime {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

EntityId entity(int number) { return EntityId::trusted("player/p" + std::to_string(number)); }

void add_one(Busiest& busiest, const EntityId& entity, std::size_t events = 1) {
  busiest.begin_batch(events);
  busiest.add(entity, events);
}

TEST(Busiest, CountsExactlyWhileThereAreFewEntitiesAndSmallBatches) {
  Busiest busiest;
  for (int i = 1; i <= 20; ++i)
    for (int times = 0; times < i; ++times) add_one(busiest, entity(i));
  const auto top = busiest.top();
  ASSERT_THAT(top, SizeIs(20));
  EXPECT_EQ(top[0].entity, entity(20));
  EXPECT_EQ(top[0].events, 20u);
  EXPECT_EQ(top[0].at_most_too_high, 0u);
  EXPECT_EQ(top[19].events, 1u);
}

TEST(Busiest, P7KeepsFewCountersAndStillTheBusiest) {
  Busiest busiest;
  const EntityId busy = EntityId::trusted("guild/7");
  for (int i = 0; i < 10'000; ++i) {
    add_one(busiest, entity(i));
    if (i % 10 == 0) add_one(busiest, busy);
  }
  const auto top = busiest.top();
  EXPECT_THAT(top, SizeIs(Busiest::kCounters));
  ASSERT_EQ(top[0].entity, busy);
  EXPECT_GE(top[0].events, 1'000u);
  EXPECT_LE(top[0].events - top[0].at_most_too_high, 1'000u);
}

TEST(Busiest, LooksAtFewEventsOfALargeBatchAndEstimatesTheRest) {
  Busiest busiest;
  const EntityId half = EntityId::trusted("guild/half");
  for (int round = 0; round < 100; ++round) {
    busiest.begin_batch(1'000);
    for (int i = 0; i < 250; ++i) busiest.add(entity(round * 500 + i), 1);
    busiest.add(half, 500);
    for (int i = 250; i < 500; ++i) busiest.add(entity(round * 500 + i), 1);
  }
  const auto top = busiest.top();
  ASSERT_EQ(top[0].entity, half);
  EXPECT_NEAR(static_cast<double>(top[0].events), 50'000, 5'000);
}

TEST(Busiest, TellsOfTheLastFullWindow) {
  Busiest busiest;
  busiest.tick(1'000);
  add_one(busiest, entity(1), 5);
  EXPECT_EQ(busiest.window_ms(3'000), 2'000);
  busiest.tick(1'000 + Busiest::kWindowMs);
  add_one(busiest, entity(2));
  ASSERT_THAT(busiest.top(), SizeIs(1));
  EXPECT_EQ(busiest.top()[0].entity, entity(1));
  EXPECT_EQ(busiest.window_ms(15'000), Busiest::kWindowMs);
  // A window without events is one too.
  busiest.tick(1'000 + 2 * Busiest::kWindowMs);
  busiest.tick(1'000 + 3 * Busiest::kWindowMs);
  EXPECT_THAT(busiest.top(), IsEmpty());
}

}  // namespace
}  // namespace carillon::runtime
