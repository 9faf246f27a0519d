// A cluster as its nodes see it: what can be said of it from their answers, and all of it as JSON, as GET /cluster and
// `carillon cluster status --json` give it. Pure.
#pragma once

#include <messages/client.capnp.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"
#include "runtime/json.h"

namespace carillon::actors {

// One node knows members and partitions, and how its own replicas stand; the others tell of theirs.
struct ClusterViews {
  wire::Cluster::Reader asked;
  std::map<std::string, Result<wire::Cluster::Reader>> others;  // By node; why it did not answer.
};

std::string cluster_json(const ClusterViews& views);

using Names = std::vector<std::string>;
Names names(capnp::List<capnp::Text>::Reader list);
bool contains(const Names& all, std::string_view name);
Names without(const Names& all, const Names& others);
// `names` as an array under `key`.
void add(JsonWriter& json, std::string_view key, const Names& names);

std::string_view name_of(wire::Role role);
std::string_view name_of(wire::Drain drain);

// What the node said of the cluster, if it answered.
std::optional<wire::Cluster::Reader> view_of(const ClusterViews& views, std::string_view node);
// How the node's replica of a partition stands, as it said itself.
std::optional<wire::ReplicaState::Reader> replica_of(const ClusterViews& views, std::string_view node,
                                                     std::uint16_t partition);

bool is_under_replicated(wire::Cluster::Reader cluster, wire::ClusterPartition::Reader partition);
bool accepts_nothing(wire::Cluster::Reader cluster, wire::ClusterPartition::Reader partition);

// How much a node has, as etcd says.
struct Holding {
  std::uint64_t primaries = 0;
  std::uint64_t copies = 0;  // Wanted there or in sync, primaries included.

  bool operator==(const Holding&) const = default;
};
Holding holding_of(wire::Cluster::Reader cluster, std::string_view node);

// A sentence of one node, and by whom.
struct Complaint {
  std::string node, sentence;
};

std::vector<Complaint> complaints(const ClusterViews& views);

}  // namespace carillon::actors
