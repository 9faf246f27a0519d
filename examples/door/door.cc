#include "examples/door/door.h"

namespace carillon::door {

constexpr UnixMs kOpenForMs = 10'000;

Result<Effects> on(Door& door, const Knock& knock, const Context& context) {
  if (knock.player.empty()) return Error{ErrorCode::MALFORMED, "somebody must knock"};
  ++door.opened;
  door.open_until = context.now() + kOpenForMs;
  Effects effects;
  effects.notify(knock.player, Opened{.times = door.opened});
  effects.remind(context.self(), door.open_until, Shut{});
  return effects;
}

Effects on(Door& door, const Shut&, const Context& context) {
  if (context.now() >= door.open_until) door.open_until = 0;  // Else somebody has knocked since.
  return {};
}

Behaviour door_behaviour() { return Behaviour::of<Door>("door", /*version=*/1).on<Knock>().on<Shut>(); }

}  // namespace carillon::door
