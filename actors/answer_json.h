// The answers of client.capnp as JSON, one object each, as the HTTP side and the command line's --json give them. Pure.
#pragma once

#include <messages/client.capnp.h>

#include <string>
#include <string_view>

#include "actors/edge.h"
#include "actors/positions.h"
#include "messages/event.h"
#include "runtime/json.h"
#include "runtime/publish_calls.h"

namespace carillon::actors {

// {"offset":…,"type":…,"payload":{…},"accepted_at":…,"producer":…,"sequence":…} and "redrive_of" where there is one. On
// one line, as all of these.
std::string event_json(Offset offset, wire::StoredEvent::Reader event);

// Of an event that is about to leave: the fields of event_json but for the offset, into an open object.
void write_event(JsonWriter& json, const Event& event);
// How an error goes on after its name and sentence: "retry_after_ms" and "first_offset" where they help.
void write_hints(JsonWriter& json, const EdgeLimits& limits, const Error& error);
// "accepted", "duplicates" and "refusals", into an open object.
void write_outcome(JsonWriter& json, const EdgeLimits& limits, const runtime::PublishOutcome& outcome);

// "entity", "device" and "offset", into an open object.
void write_position(JsonWriter& json, std::string_view entity, std::string_view device, Offset offset);
// "entity", "last" and "devices", into an open object.
void write_positions(JsonWriter& json, std::string_view entity, const Positions& positions);

std::string inspection_json(std::string_view entity, wire::Inspection::Reader inspection);
std::string stats_json(wire::Stats::Reader stats);
std::string dead_letter_json(wire::DeadLetter::Reader letter);

}  // namespace carillon::actors
