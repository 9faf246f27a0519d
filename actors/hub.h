// A hub: one actor per active hub entity, around a Fold. Spawned and dismissed by its partition.
//
// Works in bounded steps, so that a hub with a long backlog shares its thread with the others.
#pragma once

#include <caf/all.hpp>

#include <memory>
#include <optional>

#include "actors/messages.h"
#include "runtime/fold.h"

namespace carillon::actors {

struct HubOptions {
  runtime::Fold::Options fold;
  Behaviour behaviour;
  std::uint64_t incarnation = 0;
  bool aside = false;                     // Has a thread of its own, which others go before.
  std::chrono::microseconds step{1'000};  // About as long it works before others get their turn.
  std::size_t events_per_step_max = 128;
};

struct HubActorState {
  std::optional<runtime::Fold> fold;  // Every decision: state, cursor, emissions not yet acknowledged.
  std::optional<HubOptions> options;
  std::shared_ptr<const runtime::Storage> storage;
  caf::actor partition;          // Spawned this hub; starts another one if it dies.
  std::optional<Error> problem;  // Why there is no fold.
  std::optional<Offset> reported;
  std::size_t events_per_step = 16;  // By what the last step took.
  bool continuing = false;           // A ContinueDue is on its way.
  bool busy_since_rest_due = true;
  bool rest_soon = false;
  bool aside = false;
};

caf::behavior hub(caf::stateful_actor<HubActorState>* self, HubOptions options,
                  std::shared_ptr<const runtime::Storage> storage, caf::actor partition);

}  // namespace carillon::actors
