#include "tests/support/running_cluster.h"

#include <algorithm>

#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

constexpr std::chrono::seconds kWithin{20};

}  // namespace

RunningCluster::RunningCluster(Options options)
    : cluster_({.nodes = options.nodes,
                .partitions = options.partitions,
                .arguments = std::move(options.arguments),
                .program = carillon_program(),
                .session = options.session}) {
  const auto started = cluster_.start();
  if (!started.ok()) ADD_FAILURE() << started.error().message;
}

void RunningCluster::stop(std::size_t number) {
  const auto stopped = cluster_.node(number).stop();
  ASSERT_TRUE(stopped.ok()) << stopped.error().message;
}

void RunningCluster::start(std::size_t number) {
  const auto started = cluster_.node(number).start();
  ASSERT_TRUE(started.ok()) << started.error().message;
}

std::size_t RunningCluster::primary_of(std::string_view entity) {
  const auto primary = cluster_.primary_of(EntityId::trusted(entity));
  EXPECT_TRUE(primary.ok()) << primary.error().message;
  return primary.ok() ? *primary : 0;
}

void RunningCluster::await_in_sync() {
  const auto together = cluster_.await_in_sync();
  ASSERT_TRUE(together.ok()) << together.error().message;
}

void RunningCluster::await_successor(std::string_view entity, std::size_t number) {
  const auto id = EntityId::trusted(entity);
  const auto chosen = cluster_.await(
      [&](const bench::ClusterProcess::Records& all) {
        const auto record = all.find(id.partition_of(static_cast<std::uint16_t>(all.size())));
        return record != all.end() && record->second.primary.node != cluster_.name(number);
      },
      "that another node is the primary", kWithin);
  ASSERT_TRUE(chosen.ok()) << chosen.error().message;
}

void RunningCluster::await_left_out(std::size_t number) {
  const auto left_out = cluster_.await(
      [&](const bench::ClusterProcess::Records& all) {
        return std::ranges::none_of(all, [&](const auto& of) {
          return std::ranges::any_of(of.second.in_sync,
                                     [&](const auto& replica) { return replica.node == cluster_.name(number); });
        });
      },
      "that the node is left out", kWithin);
  ASSERT_TRUE(left_out.ok()) << left_out.error().message;
}

}  // namespace carillon::testing
