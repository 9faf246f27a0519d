// The value of a mailbox record: what one commit appended to one mailbox. The key holds the offset of its first event.
//
// Pure. Decoding what is damaged is a failure, never a crash.
// The one value of the store that is no Cap'n Proto message: there are two for every event that a hub passes on, and a
// third fewer bytes are a third fewer to log, keep in memory, flush and compact (docs/decisions.md).
//
//   record   = count event{count} trace*   count at least 1
//   event    = producer sequence accepted_at redrive_of type payload
//   producer = 0 | length + 1, ProducerId as stored     0: that of the event before
//   type     = 0 | length + 1, bytes                    0: that of the event before
//   payload  = length, bytes                            a JSON object
//   accepted_at = Unix milliseconds at the primary, less those of the event before (of the first: less 0), zigzag
//   redrive_of  = the offset of the dead letter that this event repeats; 0 for all others
//   trace    = skipped, trace id (16 bytes), parent id (8), flags (1)     of the events that have a traceparent, in order
//   skipped  = how many events without one stand before this one, since the last one with one
//
// All numbers are LEB128 varints: seven bits a byte, the lowest first, the top bit set in all bytes but the last.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "messages/event.h"
#include "messages/result.h"

namespace carillon::runtime {

// The view is valid until the next call from this thread.
std::string_view encode_mailbox_record(std::span<const Event* const> events);
Result<std::vector<Event>> decode_mailbox_record(std::string_view bytes);
// How many events a record holds, without decoding them.
Result<std::size_t> count_of_mailbox_record(std::string_view bytes);

}  // namespace carillon::runtime
