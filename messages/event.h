// An event as it stands in a mailbox, or on its way there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages/producer_id.h"
#include "messages/trace_parent.h"

namespace carillon {

// A place in a mailbox, from 1 without gaps; in a player stream, the notification's offset. 0 stands for "none yet".
using Offset = std::uint64_t;

// Wall-clock time in Unix milliseconds, as the primary saw it.
using UnixMs = std::int64_t;

inline constexpr std::size_t kTypeBytesMax = 64;  // Of an event's type, `[a-z][a-z0-9_-]*`.

struct Event {
  std::string type;
  std::string payload;  // A JSON object.
  ProducerId producer;
  Sequence sequence = 0;
  UnixMs accepted_at_ms = 0;
  Offset redrive_of = 0;  // The offset of the dead letter that this event repeats; 0 for all others.
  // As published; of what a hub sends, that of the event that it handled. Judges nothing: not who is a duplicate, not what
  // handlers do.
  std::optional<TraceParent> traceparent = {};
};

// Consecutive events of one mailbox: the first at `first`.
struct EventRun {
  Offset first = 1;
  std::vector<Event> events;

  Offset last() const { return first + events.size() - 1; }
};

}  // namespace carillon
