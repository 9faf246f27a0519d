// Reaches the reception of another node.
#pragma once

#include <caf/all.hpp>

#include <chrono>
#include <string>

#include "actors/cluster_messages.h"

namespace carillon::actors {

struct DialOptions {
  caf::actor reply_to;  // Gets one Dialled.
  std::uint64_t attempt = 0;
  std::string address;  // HOST:PORT.
  std::chrono::milliseconds answer_within{300};
};

// To be spawned detached: it blocks. CAF's own connecting knows no deadline and holds up every other one, so it is asked
// only for an address that has just answered. The connection that showed this is given along, to be held open for a while:
// CAF 0.17 knows a connection by its file number, and cleans up after a closed one a little later, when that number
// may already be another's, of which it then forgets the way back.
void dial(caf::event_based_actor* self, const DialOptions& options);

// Does so.
void dial_aside(caf::actor_system& system, DialOptions options);

}  // namespace carillon::actors
