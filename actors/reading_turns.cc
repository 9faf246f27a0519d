#include "actors/reading_turns.h"

#include <utility>

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<ReadingTurnsState>*;

void grant(Self self, PartitionId partition) {
  auto& [taken, waiting] = self->state.partitions.at(partition.value);
  while (taken < kTurnsOfPartition && !waiting.empty()) {
    ++taken;
    const auto granted = std::move(waiting.front());
    waiting.pop_front();
    const auto over = [me = caf::actor_cast<caf::actor>(self), partition](void*) {
      caf::anon_send(me, TurnOver{partition});
    };
    granted(ReadingTurn(nullptr, over));
  }
}

}  // namespace

caf::behavior reading_turns(Self self, std::size_t partitions) {
  self->state.partitions.resize(partitions);
  return {
      [=](WantTurn& wanted) {
        self->state.partitions.at(wanted.partition.value).waiting.push_back(std::move(wanted.granted));
        grant(self, wanted.partition);
      },
      [=](const TurnOver& over) {
        --self->state.partitions.at(over.partition.value).taken;
        grant(self, over.partition);
      },
  };
}

}  // namespace carillon::actors
