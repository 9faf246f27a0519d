// A pulse: tells many actors at once to look what is due. With a timer each, the replicas of an idle node would wake it more
// than a thousand times a second, and each send its signs of life in a frame of its own.
#pragma once

#include <caf/all.hpp>

#include <chrono>

#include "actors/messages.h"

namespace carillon::actors {

struct PulseOptions {
  std::chrono::milliseconds every{0};
  Partitions actors;  // Each gets a TickDue.
};

// Ends with Stop.
caf::behavior pulse(caf::event_based_actor* self, PulseOptions options);

}  // namespace carillon::actors
