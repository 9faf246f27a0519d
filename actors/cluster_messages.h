// What the actors of one node say to each other when it belongs to a cluster. All of it stays within the process; what
// goes to other nodes are parcels (parcel.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/messages.h"
#include "actors/parcel.h"
#include "cluster/partition_record.h"

namespace carillon::actors {

using cluster::NodeName;

// --- coordinator -> routes, replicas, links

struct PeerKnown {  // A member of the cluster, and the link to it. Comes again when its address has changed.
  NodeName node;
  caf::actor link;
};
struct RecordChanged {
  std::optional<cluster::PartitionRecord> record;  // Nothing: there is none.
  std::uint64_t revision = 0;                      // Of etcd; for compare-and-swap.
};

// --- link -> routes, replicas

struct LinkUp {
  NodeName node;
  std::uint64_t meeting = 0;  // Which one; from 1.
};
struct LinkLost {  // What was on its way in either direction may be lost.
  NodeName node;
  Clock::time_point last_heard;  // Or a little earlier.
};
struct ReplicationArrived {
  NodeName from;
  std::string bytes;
};
struct ParcelArrived {  // Of those that are about a session or a question of this node.
  NodeName from;
  Parcel parcel;
};

// --- anybody -> link

struct SendParcel {
  Parcel parcel;
  // Only if the link still is in that meeting. What a sender has sent before may be lost with an earlier one, though it has
  // not heard so yet, and then what follows must not arrive (P3). 0: in any.
  std::uint64_t meeting = 0;
};

// --- replica -> route, links

struct Serving {  // Who serves the partition on this node from now on; nobody when `actor` is null.
  PartitionId partition;
  caf::actor actor;
  std::uint64_t life = 0;   // Of the partition actor, as its `reloaded` told.
  std::uint64_t epoch = 0;  // The highest that is known here.
};

}  // namespace carillon::actors

CARILLON_LOCAL_MESSAGE(PeerKnown)
CARILLON_LOCAL_MESSAGE(RecordChanged)
CARILLON_LOCAL_MESSAGE(LinkUp)
CARILLON_LOCAL_MESSAGE(LinkLost)
CARILLON_LOCAL_MESSAGE(ReplicationArrived)
CARILLON_LOCAL_MESSAGE(ParcelArrived)
CARILLON_LOCAL_MESSAGE(SendParcel)
CARILLON_LOCAL_MESSAGE(Serving)
