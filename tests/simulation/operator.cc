#include "tests/simulation/operator.h"

namespace carillon::simulation {

Operator::Operator(World& world, FindEntrance find_entrance)
    : world_(&world), find_entrance_(std::move(find_entrance)) {
  if (world.settings.operates) live();
}

void Operator::live() {
  world_->schedule.after(world_->dice.between(10'000, 300'000), [this] {
    if (world_->calm || operations_ >= kOperationsMax) return;
    live();
    auto* at = find_entrance_();
    if (at == nullptr) return;
    const PartitionId partition{static_cast<std::uint16_t>(world_->dice.below(world_->settings.partitions))};
    at->list_dead_letters(partition, [this, at](std::vector<runtime::DeadLetterEntry> letters) {
      if (letters.empty()) return;
      const auto& letter = letters[world_->dice.below(letters.size())];
      const bool redrive = world_->dice.chance(0.7);
      operate(*at, letter.entity, letter.offset, redrive);
      if (world_->dice.chance(0.5))
        operate(*at, letter.entity, letter.offset, world_->dice.chance(0.5) ? redrive : !redrive);
    });
  });
}

void Operator::operate(Entrance& at, const EntityId& entity, Offset offset, bool redrive) {
  ++operations_;
  at.operate(entity, offset, redrive, [this, entity, offset, redrive](Result<Offset> outcome) {
    if (!outcome) return;
    const DeadLetterId id{entity, offset};
    world_->count(redrive ? "dead letter redriven" : "dead letter discarded");
    if (redriven_.contains(id) || discarded_.contains(id))
      world_->broken("P6: redriven once",
                     "the dead letter " + entity.text() + " " + std::to_string(offset) + " was settled twice");
    if (redrive)
      redriven_.emplace(id, *outcome);
    else
      discarded_.insert(id);
  });
}

}  // namespace carillon::simulation
