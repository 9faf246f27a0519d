// A replica: the actor around cluster::Replica, one per partition and node, whether this node has a copy or not.
//
// To the partition above it, which it spawns while it is the primary, it is the journal: a commit is answered once it is
// committed in the cluster and applied here. Below it the node's journal does the writing. It looks what is due at each TickDue
// (pulse.h).
#pragma once

#include <caf/all.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "actors/cluster_messages.h"
#include "actors/partition.h"
#include "actors/standing.h"
#include "cluster/replica.h"

namespace carillon::actors {

struct ReplicaOptions {
  cluster::Replica::Options replica;
  // Of the partition actors that are spawned; journal, reloaded and life are filled in here.
  PartitionOptions partition;
  caf::actor journal;
  Standings standings;
  // Carries a compare-and-swap to etcd; answered by ProposalAnswered.
  std::function<void(PartitionId, cluster::Proposal)> propose;
};

struct ProposalAnswered {
  std::uint64_t number = 0;
  cluster::Replica::Swap outcome = cluster::Replica::Swap::kUnknown;
  std::uint64_t revision = 0;
};
struct HandOver {
  std::optional<cluster::ReplicaId> to;
};
struct PartitionLife {  // The partition actor loaded its partition anew.
  std::uint64_t life = 0;
  std::uint64_t spawned = 0;  // Which one: the number of its spawning.
};
struct PartitionUnreadable {  // The partition actor cannot load its partition.
  Error error;
  std::uint64_t spawned = 0;
};
struct LookAgainDue {};  // Whether what could not be read can be now.
struct ReplicaStats {
  PartitionId partition;
  cluster::Role role = cluster::Role::kStranger;
  std::uint64_t epoch = 0;
  std::uint64_t log_end = 0, commit = 0, applied = 0;
  bool ready = false;
  bool unreadable = false;             // Its partition, or its log, could not be read here, and another node took over.
  bool keeps_missing_entries = false;  // It has what its primary lacks, and joins nothing.
  bool worthless =
      false;  // It is being given a copy, or has discarded its own: whoever leads with it leads with nothing.
  bool under_replicated = false;
  std::vector<cluster::Replica::BackupStatus> backups;
  cluster::Replica::Counters counters;
};
struct AskReplica {
  std::function<void(ReplicaStats)> answer;
};

struct ReplicaState {
  std::optional<ReplicaOptions> options;
  std::unique_ptr<cluster::Replica> replica;  // Null while it cannot be opened.
  std::deque<std::uint64_t> writes;           // At the journal, by number; 0 for one of a replica that was thrown away.
  cluster::Replica::Counters counted_before;  // By those that were thrown away.
  bool reopen_wanted = false;

  caf::actor partition;  // While this is the ready primary.
  std::uint64_t partitions_spawned = 0;
  Serving serving;

  Partitions routes;
  std::map<NodeName, caf::actor> links;
  std::map<NodeName, bool> up;
  bool unreadable = false;        // The replica's partition, when it was to be loaded, or its log.
  std::size_t ticks = 0;          // Since it was opened.
  bool looked_for_holes = false;  // In what it had when it was opened.
  bool discarded = false;         // All that a stranger had.
  std::optional<RecordChanged> record;
  std::set<std::string> complaints;  // About other nodes; each cause is logged once.
};

caf::behavior replica(caf::stateful_actor<ReplicaState>* self, ReplicaOptions options);

}  // namespace carillon::actors

CARILLON_LOCAL_MESSAGE(ProposalAnswered)
CARILLON_LOCAL_MESSAGE(HandOver)
CARILLON_LOCAL_MESSAGE(PartitionLife)
CARILLON_LOCAL_MESSAGE(PartitionUnreadable)
CARILLON_LOCAL_MESSAGE(LookAgainDue)
CARILLON_LOCAL_MESSAGE(AskReplica)
