// A hub per door: counts how often it was opened, tells who opened it, and shuts itself.
#pragma once

#include "runtime/behaviour.h"

namespace carillon::door {

struct Door {
  std::uint64_t opened = 0;
  UnixMs open_until = 0;  // 0: it is shut.
};
template <class Fields>
void inspect(Fields& fields, Door& door) {
  fields("opened", door.opened);
  fields("open_until", door.open_until);
}

struct Knock {  // To a door.
  static constexpr std::string_view kType = "knock";
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Knock& knock) {
  fields("player", knock.player);
}

struct Shut {  // To itself, when it has been open for long enough.
  static constexpr std::string_view kType = "shut";
};
template <class Fields>
void inspect(Fields&, Shut&) {}

struct Opened {  // To the player.
  static constexpr std::string_view kType = "opened";
  std::uint64_t times = 0;
};
template <class Fields>
void inspect(Fields& fields, Opened& opened) {
  fields("times", opened.times);
}

Result<Effects> on(Door& door, const Knock& knock, const Context& context);
Effects on(Door& door, const Shut& shut, const Context& context);

Behaviour door_behaviour();

}  // namespace carillon::door
