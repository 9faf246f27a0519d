#include "actors/edge.h"

#include "actors/publish_path.h"

namespace carillon::actors {

Edge::Edge(caf::actor_system& actor_system, Partitions all_partitions, Catalogue behaviours,
           runtime::Limits runtime_limits, EdgeLimits own_limits, std::shared_ptr<Inbox> jobs, kj::Timer& clock)
    : system(actor_system),
      partitions(std::move(all_partitions)),
      catalogue(std::move(behaviours)),
      limits(runtime_limits),
      edge_limits(own_limits),
      inbox(std::move(jobs)),
      timer(clock),
      lives(partitions->size(), 0) {}

void Edge::reloaded(PartitionId partition, std::uint64_t life) {
  lives.at(partition.value) = life;
  for (const auto& [session, path] : publish_paths) path->reloaded(partition);
}

}  // namespace carillon::actors
