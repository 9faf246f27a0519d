#include "actors/pulse.h"

namespace carillon::actors {

caf::behavior pulse(caf::event_based_actor* self, PulseOptions options) {
  self->send(self, TickDue{});
  return {
      [=](TickDue) {
        for (const auto& actor : *options.actors) self->send(actor, TickDue{});
        self->delayed_send(self, options.every, TickDue{});
      },
      [=](Stop) { self->quit(); },
  };
}

}  // namespace carillon::actors
