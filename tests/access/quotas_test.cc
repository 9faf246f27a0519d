#include "access/quotas.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace carillon::access {
namespace {

using namespace std::chrono_literals;

constexpr Allowance::Clock::time_point kStart{std::chrono::hours(1)};

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
  first->usage().events.take(400, kStart);
  EXPECT_EQ(second->usage().events.wait_for(100, kStart), 1s);
  EXPECT_EQ(other->usage().events.wait_for(100, kStart), 0s);
}

TEST(Quotas, P7WhoComesAgainIsNotANewOne) {
  Quotas quotas({.events_per_second = 100});
  quotas.enter("ana")->usage().events.take(400, kStart);
  EXPECT_EQ(quotas.enter("ana")->usage().events.wait_for(100, kStart), 1s);
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
  EXPECT_EQ(places.back().usage().connections, 1'000u);
}

}  // namespace
}  // namespace carillon::access
