// Looks through the dead letters and redrives or discards them, sometimes twice in a hurry (P6).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "messages/entity_id.h"
#include "messages/event.h"
#include "tests/simulation/entrance.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

class Operator {
 public:
  Operator(World& world, FindEntrance find_entrance);

  using DeadLetterId = std::pair<EntityId, Offset>;
  // Done for sure: where each redriven event stands now.
  const std::map<DeadLetterId, Offset>& redriven() const { return redriven_; }
  const std::set<DeadLetterId>& discarded() const { return discarded_; }

 private:
  static constexpr int kOperationsMax = 20;

  void live();
  void operate(Entrance& at, const EntityId& entity, Offset offset, bool redrive);

  World* world_;
  FindEntrance find_entrance_;
  int operations_ = 0;
  std::map<DeadLetterId, Offset> redriven_;
  std::set<DeadLetterId> discarded_;
};

}  // namespace carillon::simulation
