// What the commands print about a node for people (actors/answer_json.h has the JSON). Pure.
#pragma once

#include <messages/client.capnp.h>

#include <string>
#include <string_view>

#include "cli/terminal.h"
#include "messages/event.h"

namespace carillon::cli {

// One event as a line of JSON, coloured for a terminal.
std::string event_line(Offset offset, wire::StoredEvent::Reader event, const Colours& colours = {});

std::string inspection_text(std::string_view entity, wire::Inspection::Reader inspection, const Colours& colours);

std::string stats_text(wire::Stats::Reader stats, const Colours& colours);

std::string dead_letter_text(wire::DeadLetter::Reader letter, const Colours& colours);

}  // namespace carillon::cli
