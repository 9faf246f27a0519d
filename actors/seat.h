// A seat: stands in for a session of another node that follows entities of a partition of this one.
//
// Passes on what the partition tells the session, as parcels. Spawned and dismissed by the link to that node.
#pragma once

#include <caf/all.hpp>

#include "actors/cluster_messages.h"

namespace carillon::actors {

struct SeatOptions {
  caf::actor link;
  PartitionId partition;
  runtime::SessionId session = 0;  // As the other node numbers it.
};

caf::behavior seat(caf::event_based_actor* self, SeatOptions options);

}  // namespace carillon::actors
