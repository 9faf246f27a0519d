// A relay: stands between the links of two other nodes that cannot reach each other, and passes on what each says.
//
// To either of them it looks like the other's link: knocks and frames go through it unchanged and in order, so that they make
// sure of each other, count, and notice silence as ever. Memory is bounded by the credit that they give each other. Made by
// the link to one of the two, at the request of the other, for peers that have been let in. Ends when either side is gone,
// or has said nothing for long; both then see that it is down.
#pragma once

#include <caf/all.hpp>

#include <chrono>

#include "actors/cluster_messages.h"

namespace carillon::actors {

struct RelayOptions {
  caf::strong_actor_ptr caller;  // The link that asked for it.
  caf::strong_actor_ptr target;  // Somebody on the other node; the link there that answers takes his place.
  std::chrono::milliseconds silence_max{0};
};

struct RelayState {
  std::optional<RelayOptions> options;
  bool answered = false;  // By the link on the other node.
  Clock::time_point heard_caller, heard_target;
};

caf::behavior relay(caf::stateful_actor<RelayState>* self, RelayOptions options);

}  // namespace carillon::actors
