// What a node of a cluster is asked about it, for RPC, health and metrics; and how the answer is put together.
//
// ClusterQuestions is all that the gateway knows of the cluster. The report's own functions are pure.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "actors/coordinator.h"
#include "actors/figure.h"
#include "actors/replica.h"

namespace carillon::actors {

// One node's view of its cluster, and how its own replicas stand.
struct ClusterReport {
  ClusterDescription cluster;
  std::vector<ReplicaStats> replicas;  // One for each partition.

  std::vector<Problem> problems() const;
  std::vector<Figure> figures() const;
};

// Functions may be called from any thread; each calls `answer` once, on any thread.
struct ClusterQuestions {
  std::function<void(std::function<void(ClusterReport)> answer)> report;
  // Marks a node, or with nothing unmarks it. Refusals are Coordinator::set_draining's.
  std::function<void(NodeName node, std::optional<cluster::Drain> drain, std::function<void(Result<void>)> answer)>
      set_draining;
};

// Asks the coordinator, then the replicas. The coordinator must outlive what is returned.
ClusterQuestions cluster_questions(Coordinator& coordinator, const Partitions& replicas);

// Why there is no report: the node is in no cluster, or it did not answer.
Error no_cluster();
Error no_cluster_report();

}  // namespace carillon::actors
