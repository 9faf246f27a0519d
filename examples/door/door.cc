#include "examples/door/door.h"

namespace carillon::door {

Result<Effects> on(Door& door, const Knock& knock, const Context&) {
  if (knock.player.empty()) return Error{ErrorCode::MALFORMED, "somebody must knock"};
  ++door.opened;
  Effects effects;
  effects.notify(knock.player, Opened{.times = door.opened});
  return effects;
}

Behaviour door_behaviour() { return Behaviour::of<Door>("door", /*version=*/1).on<Knock>(); }

}  // namespace carillon::door
