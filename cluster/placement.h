// Where the copies of each partition should be, and the next single step on the way there.
//
// Pure. First placement: rendezvous hashing (Thaler and Ravishankar 1998) under a bound on each node's load (Mirrokni,
// Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", 2018). From then on the present placement is what it
// starts from: only what is too much on one node moves, to nodes that have too little, so that a fourth node beside three
// is given a quarter of the replicas and nothing else moves. Balanced means: between any two nodes the numbers of
// replicas differ by at most one, and so do the numbers of primaries.
//
// Only `replicas` of a record is ever changed here. Its order carries a wish: the first of it should be the primary, and
// a primary that sees another one there hands over to it once that one is in sync (`wished_hand_over`).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/cluster_view.h"
#include "cluster/partition_record.h"

namespace carillon::cluster {

// For each partition its nodes; the first is to be the primary.
using Assignment = std::vector<std::vector<NodeName>>;

using Copy = std::pair<PartitionId, NodeName>;

// How much `node` wants that partition. The same everywhere and for ever.
std::uint64_t rendezvous_score(const NodeName& node, PartitionId partition);

// The placement of a new cluster: balanced, with `replicas` copies, or as many as there are nodes. At least one node.
Assignment first_placement(std::uint16_t partitions, std::uint16_t replicas, const std::set<NodeName>& nodes);

// One swap of a partition's record.
struct PlacementStep {
  enum class Kind {
    kFound,  // The first record; everybody in it begins with nothing, and so in sync.
    kAdd,    // One more copy.
    kDrop,   // One copy less; those who remain are in sync.
    kWish,   // The same copies, another first.
  };
  Kind kind;
  PartitionId partition;
  Revision expected = 0;  // Of the record it replaces.
  PartitionRecord record;
  std::string reason;  // For logs: "node dan is new and has 0 of 48 copies".
};

struct PlacementSettings {
  std::size_t moves_at_once = 1;  // Copies that may be under way.
};

// The next step, if there is one to be made now. `gone` are nodes that have been away for so long that what they hold is
// to be replaced; others that are away are waited for. `unlinked` are members to which the controller has no link: they count
// as away, for whoever does not get in with the others cannot hold anything. Nothing while the format is not known, and no
// first records before `replicas` nodes are there unless `may_found_small`. `stuck` are copies that have been under way for too long,
// on a node whose disk takes nothing, say: what other nodes held is replaced meanwhile.
std::optional<PlacementStep> next_step(const ClusterView& view, const std::set<NodeName>& gone, bool may_found_small,
                                       const PlacementSettings& settings = {}, const std::set<NodeName>& unlinked = {},
                                       const std::set<Copy>& stuck = {});

// Copies on present nodes that are not in sync.
std::set<Copy> copies_under_way(const ClusterView& view, const std::set<NodeName>& unlinked);

// May `self` control placement? Only with links to most of those that matter (itself counts), so that a node which the others
// do not let in, or which is cut off, does not: those of the members that hold something, or all when none does. When it is
// half of them, whoever has the first name among them.
bool may_control(const ClusterView& view, const NodeName& self, const std::set<NodeName>& unlinked);

// To whom the primary of that record should hand over now: the first of `replicas`, if it is another node, present, not about
// to restart, and in sync with the store it has.
std::optional<ReplicaId> wished_hand_over(const PartitionRecord& record, const ClusterView& view);

// Has a draining node given up what it can? For `cluster drain` to wait for.
bool is_drained(const ClusterView& view, const NodeName& node);

}  // namespace carillon::cluster
