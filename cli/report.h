// What the commands print about a node: as one line of JSON, or laid out for people. Pure.
#pragma once

#include <messages/client.capnp.h>

#include <string>
#include <string_view>

#include "cli/terminal.h"
#include "messages/event.h"

namespace carillon::cli {

// {"offset":…,"type":…,"payload":{…},"accepted_at":…,"producer":…,"sequence":…} and "redrive_of" where there is one.
std::string event_json(Offset offset, wire::StoredEvent::Reader event, const Colours& colours = {});

std::string inspection_json(std::string_view entity, wire::Inspection::Reader inspection);
std::string inspection_text(std::string_view entity, wire::Inspection::Reader inspection, const Colours& colours);

std::string stats_json(wire::Stats::Reader stats);
std::string stats_text(wire::Stats::Reader stats, const Colours& colours);

std::string dead_letter_json(wire::DeadLetter::Reader letter);
std::string dead_letter_text(wire::DeadLetter::Reader letter, const Colours& colours);

}  // namespace carillon::cli
