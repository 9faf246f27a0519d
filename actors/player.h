// A player: one actor per stream that somebody reads from disk. Spawned and dismissed by its partition.
//
// What is committed reaches followers that keep up straight from the partition; those that have fallen behind, or began
// earlier, are fed by this actor, so that the partition waits for no read and goes on between two pages. It serves the
// mailbox of any entity, hubs included. See docs/decisions.md, "Live notifications pass the player by".
#pragma once

#include <caf/all.hpp>

#include <memory>
#include <optional>

#include "actors/messages.h"
#include "runtime/mailbox.h"

namespace carillon::actors {

struct PlayerState {
  std::optional<EntityId> entity;
  PartitionId partition_id;
  std::shared_ptr<const runtime::Storage> storage;
  caf::actor partition;
  bool used_since_rest_due = true;
};

caf::behavior player(caf::stateful_actor<PlayerState>* self, EntityId entity, PartitionId partition_id,
                     std::shared_ptr<const runtime::Storage> storage, caf::actor partition,
                     std::chrono::milliseconds passivate_after);

}  // namespace carillon::actors
