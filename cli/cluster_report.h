// What `carillon cluster` prints: a cluster as its nodes see it, and what has changed between two looks. Pure.
#pragma once

#include <messages/client.capnp.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal.h"
#include "messages/result.h"

namespace carillon::cli {

// One node knows members and partitions, and how its own replicas stand; the others tell of theirs.
struct ClusterViews {
  wire::Cluster::Reader asked;
  std::map<std::string, Result<wire::Cluster::Reader>> others;  // By node; why it did not answer.
};

std::string cluster_json(const ClusterViews& views);
// Of many partitions only those of which there is something to say, unless `all`.
std::string cluster_text(const ClusterViews& views, bool all, const Colours& colours);

struct ClusterChange {
  std::string text;  // One line each.
  std::string json;
};
// Links are compared only when the same node was asked both times.
std::vector<ClusterChange> cluster_changes(wire::Cluster::Reader before, wire::Cluster::Reader after,
                                           std::int64_t at_ms);

// How much a node has, as etcd says.
struct Holding {
  std::uint64_t primaries = 0;
  std::uint64_t copies = 0;  // Wanted there or in sync, primaries included.

  bool operator==(const Holding&) const = default;
};
Holding holding_of(wire::Cluster::Reader cluster, std::string_view node);

}  // namespace carillon::cli
