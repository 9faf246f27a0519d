// The answers of client.capnp as JSON, one object each, as the HTTP side and the command line's --json give them. Pure.
#pragma once

#include <messages/client.capnp.h>

#include <string>
#include <string_view>

#include "messages/event.h"

namespace carillon::actors {

// {"offset":…,"type":…,"payload":{…},"accepted_at":…,"producer":…,"sequence":…} and "redrive_of" where there is one. On
// one line, as all of these.
std::string event_json(Offset offset, wire::StoredEvent::Reader event);

std::string inspection_json(std::string_view entity, wire::Inspection::Reader inspection);
std::string stats_json(wire::Stats::Reader stats);
std::string dead_letter_json(wire::DeadLetter::Reader letter);

}  // namespace carillon::actors
