#include "tests/simulation/operator.h"

#include "tests/simulation/node.h"

namespace carillon::simulation {

Operator::Operator(World& world, const std::unique_ptr<Node>& node) : world_(&world), node_(&node) {
  if (world.settings.operates) live();
}

void Operator::live() {
  world_->schedule.after(world_->dice.between(10'000, 300'000), [this] {
    if (world_->calm || operations_ >= kOperationsMax) return;
    live();
    if (!*node_) return;
    const PartitionId partition{static_cast<std::uint16_t>(world_->dice.below(world_->settings.partitions))};
    (*node_)->list_dead_letters(partition, [this](std::vector<runtime::DeadLetterEntry> letters) {
      if (letters.empty() || !*node_) return;
      const auto& letter = letters[world_->dice.below(letters.size())];
      const bool redrive = world_->dice.chance(0.7);
      operate(letter.entity, letter.offset, redrive);
      if (world_->dice.chance(0.5))
        operate(letter.entity, letter.offset, world_->dice.chance(0.5) ? redrive : !redrive);
    });
  });
}

void Operator::operate(const EntityId& entity, Offset offset, bool redrive) {
  ++operations_;
  (*node_)->operate(entity, offset, redrive, [this, entity, offset, redrive](Result<Offset> outcome) {
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
