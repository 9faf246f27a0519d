// What `carillon cluster` prints: a cluster as its nodes see it, and what has changed between two looks. Pure.
#pragma once

#include <messages/client.capnp.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/cluster_json.h"
#include "cli/terminal.h"

namespace carillon::cli {

// Of many partitions only those of which there is something to say, unless `all`.
std::string cluster_text(const actors::ClusterViews& views, bool all, const Colours& colours);

// What a node was told to give up, as one JSON object; and how far it has come with that.
std::string drain_json(std::string_view node, wire::Drain drain);
std::string drain_json(wire::ClusterNode::Reader node, const actors::Holding& holding);

struct ClusterChange {
  std::string text;  // One line each.
  std::string json;
};
// Links are compared only when the same node was asked both times.
std::vector<ClusterChange> cluster_changes(wire::Cluster::Reader before, wire::Cluster::Reader after,
                                           std::int64_t at_ms);

}  // namespace carillon::cli
