#include "access/quotas.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace carillon::access {
namespace {

using namespace std::chrono_literals;

constexpr Allowance::Clock::time_point kStart{std::chrono::hours(1)};

void take(const Quotas::Place& place, std::uint64_t events) {
  place.with_usage([&](Quotas::Usage& usage) { usage.events.take(events, kStart); });
}
Allowance::Clock::duration wait_for(const Quotas::Place& place, std::uint64_t events) {
  return place.with_usage([&](const Quotas::Usage& usage) { return usage.events.wait_for(events, kStart); });
}

TEST(Quotas, P7WhoHasAllTheirConnectionsGetsNoMoreUntilOneIsClosed) {
  Quotas quotas({.connections_max = 2});
  auto first = quotas.enter("ana"), second = quotas.enter("ana");
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(quotas.enter("ana"));
  EXPECT_TRUE(quotas.enter("bo")) << "others are not concerned";
  first.reset();
  EXPECT_TRUE(quotas.enter("ana"));
}

TEST(Quotas, P7AllConnectionsOfOneShareItsAllowance) {
  Quotas quotas({.events_per_second = 100});
  const auto first = quotas.enter("ana"), second = quotas.enter("ana"), other = quotas.enter("bo");
  take(*first, 400);
  EXPECT_EQ(wait_for(*second, 100), 1s);
  EXPECT_EQ(wait_for(*other, 100), 0s);
}

TEST(Quotas, P7WhoComesAgainIsNotANewOne) {
  Quotas quotas({.events_per_second = 100});
  take(*quotas.enter("ana"), 400);
  EXPECT_EQ(wait_for(*quotas.enter("ana"), 100), 1s);
}

TEST(Quotas, P7RemembersNoMoreThanItMayAndNobodyWhoIsConnectedIsForgotten) {
  Quotas quotas({.connections_max = 1}, 100);
  std::vector<Quotas::Place> connected;
  connected.reserve(50);
  for (int i = 0; i < 50; ++i) connected.push_back(*quotas.enter("connected " + std::to_string(i)));
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(quotas.enter("passing " + std::to_string(i)));
  EXPECT_LE(quotas.remembered(), 113u) << "a few more for a moment, while it meets who is connected (LruCache)";
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(quotas.enter("connected " + std::to_string(i))) << i;
}

TEST(Quotas, OfZeroAreWithoutLimit) {
  EXPECT_FALSE(QuotaLimits{}.any());
  Quotas quotas(QuotaLimits{});
  std::vector<Quotas::Place> places;
  places.reserve(1'000);
  for (int i = 0; i < 1'000; ++i) places.push_back(*quotas.enter("ana"));
  EXPECT_EQ(places.back().with_usage([](const auto& usage) { return usage.connections; }), 1'000u);
}

}  // namespace
}  // namespace carillon::access
