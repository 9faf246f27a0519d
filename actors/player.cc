#include "actors/player.h"

namespace carillon::actors {

caf::behavior player(caf::stateful_actor<PlayerState>* self, EntityId entity, PartitionId partition_id,
                     std::shared_ptr<const runtime::Storage> storage, caf::actor partition,
                     std::chrono::milliseconds passivate_after) {
  self->state = {std::move(entity), partition_id, std::move(storage), std::move(partition), true};
  self->delayed_send(self, passivate_after, RestDue{});
  return {
      [=](const ReadPage& read) {
        auto& state = self->state;
        state.used_since_rest_due = true;
        read.answer(runtime::read_mailbox(*state.storage, state.partition_id, *state.entity, read.from, read.limits));
      },
      [=](RestDue) {
        auto& state = self->state;
        if (!std::exchange(state.used_since_rest_due, false))
          self->send(state.partition, PlayerIdle{*state.entity, caf::actor_cast<caf::actor>(self)});
        self->delayed_send(self, passivate_after, RestDue{});
      },
      [=](Dismiss) { self->quit(); },
  };
}

}  // namespace carillon::actors
