// What a node knows of itself, collected from its actors for /metrics, `stats` and health.
#pragma once

#include <kj/async.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "actors/cluster_report.h"
#include "actors/edge.h"
#include "actors/figure.h"
#include "actors/journal.h"

namespace carillon::actors {

struct NodeStats {
  std::string version;
  std::chrono::milliseconds uptime{0};
  std::string store_id;
  std::vector<PartitionStats> partitions;
  std::optional<JournalStats> journal;  // Nothing when it does not answer: it waits for the disk.
  EdgeCounters edge;
  Edge::Complaints complaints;
  std::optional<std::chrono::sys_seconds> certificate_ends_at;
  bool in_cluster = false;
  std::optional<ClusterReport> cluster;  // In one: nothing when it did not come in time.

  std::vector<Figure> figures() const;

  struct Stage {
    std::string name;
    std::string help;
    LatencyHistogram latencies;
  };
  std::vector<Stage> stages() const;

  // Who takes the most events of the partitions that this node is the primary of, of late; the busiest first.
  static constexpr std::size_t kBusiest = 20;
  struct BusyEntity {
    std::string entity;
    double events_per_s = 0;  // An estimate (runtime/busiest.h).
  };
  std::vector<BusyEntity> busiest() const;

  // Empty when all is well.
  std::vector<Problem> problems() const;
};

// Asks the actors. Called on its gateway thread.
using NodeStatsSource = std::function<kj::Promise<NodeStats>()>;

}  // namespace carillon::actors
