// A load with a ledger on a cluster of real processes, while a test hurts it: the bench's job, small.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "bench/conductor.h"
#include "tests/support/running_cluster.h"

namespace carillon::testing {

// Publishes to hubs and straight to players, and follows them all, each client through all nodes, while `during` runs.
// Then everything accepted must have arrived, once and in order, and nothing been refused for good.
inline bench::Outcome under_load(RunningCluster& cluster, const std::function<void()>& during) {
  if (::testing::Test::HasFailure()) return {};  // The cluster did not start.
  const auto nodes = static_cast<std::uint32_t>(cluster.processes().size());
  const bench::Run run{.job = {.mode = bench::Mode::kCrash,
                               .events_per_s = 600,
                               .producers = nodes,
                               .gateways = nodes,
                               .hubs = 8,
                               .players = 16,
                               .direct_players = 8},
                       .timing = {.warmup_s = 0.2},
                       .addresses = cluster.addresses(),
                       .run_name = std::to_string(getpid()) + "-" + std::to_string(bench::now_ns()),
                       .throughout = [&](const bench::Progress&) -> Result<void> {
                         during();
                         if (::testing::Test::HasFatalFailure()) return Error{ErrorCode::UNAVAILABLE, "see above"};
                         return {};
                       }};
  auto outcome = bench::conduct(run);
  if (!outcome.ok()) {
    ADD_FAILURE() << outcome.error().message;
    return {};
  }
  EXPECT_GT(outcome->accepted, 100u) << "there was hardly any load";
  EXPECT_EQ(outcome->delivered, outcome->accepted);
  EXPECT_EQ(outcome->row.lost, 0u);
  EXPECT_EQ(outcome->row.duplicated, 0u);
  EXPECT_EQ(outcome->row.out_of_order, 0u);
  return std::move(*outcome);
}

}  // namespace carillon::testing
