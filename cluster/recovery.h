// What is left when every disk of a partition's in-sync set is lost: to begin again from another copy, and to accept that what
// only the lost disks had is gone. Nobody decides that but a person.
//
// Pure.
#pragma once

#include "cluster/cluster_view.h"

namespace carillon::cluster {

struct Recovery {
  PartitionRecord record;  // To put in the place of the one that has the revision `expected`.
  Revision expected = 0;
};

// Names the copy on `from` the primary of `partition`, alone in sync; the others are brought to it.
// NOT_FOUND when there is no such partition or member. FORBIDDEN when there is no need (a node of the in-sync set is a
// member, with that disk), or when `from` is to have no copy.
Result<Recovery> recovery_from(const ClusterView& view, PartitionId partition, const NodeName& from);

// For an etcd that was restored from a snapshot: the same in an epoch beyond all that there may have been since. What a node had seen
// since then would be of higher epochs than the record, and no epoch may have two primaries.
PartitionRecord raised(PartitionRecord record);

}  // namespace carillon::cluster
