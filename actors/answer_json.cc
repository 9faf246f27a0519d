#include "actors/answer_json.h"

#include <algorithm>
#include <cmath>

#include "actors/wire_answers.h"
#include "messages/rfc3339.h"

namespace carillon::actors {
namespace {

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

// A payload may have been published with line breaks, which JSON allows between its parts only.
std::string on_one_line(std::string_view json) {
  std::string line(json);
  std::ranges::replace_if(
      line, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return line;
}

bool is_whole(double value) { return value >= 0 && value < 9e15 && value == std::floor(value); }

void add_event(JsonWriter& json, Offset offset, wire::StoredEvent::Reader event) {
  json.field("offset", offset)
      .field("type", view(event.getType()))
      .key("payload")
      .raw(on_one_line(view(event.getPayload())));
  json.field("accepted_at", rfc3339(event.getAcceptedAtMs())).field("producer", view(event.getProducer()));
  json.field("sequence", event.getSequence());
  if (event.getRedriveOf() != 0) json.field("redrive_of", event.getRedriveOf());
  if (event.hasTraceparent()) json.field("traceparent", view(event.getTraceparent()));
}

}  // namespace

std::string event_json(Offset offset, wire::StoredEvent::Reader event) {
  JsonWriter json;
  json.begin_object();
  add_event(json, offset, event);
  return json.end_object().take();
}

void write_event(JsonWriter& json, const Event& event) {
  json.field("type", event.type).key("payload").raw(event.payload);
  json.field("accepted_at", rfc3339(event.accepted_at_ms)).field("producer", event.producer.text());
  json.field("sequence", event.sequence);
  if (event.redrive_of != 0) json.field("redrive_of", event.redrive_of);
  if (event.traceparent) json.field("traceparent", event.traceparent->text());
}

void write_hints(JsonWriter& json, const EdgeLimits& limits, const Error& error) {
  if (const auto wait = retry_after(limits, error); wait.count() > 0) json.field("retry_after_ms", wait.count());
  if (error.first_offset > 0) json.field("first_offset", error.first_offset);
}

void write_outcome(JsonWriter& json, const EdgeLimits& limits, const runtime::PublishOutcome& outcome) {
  json.field("accepted", outcome.accepted).field("duplicates", outcome.duplicates).key("refusals").begin_array();
  for (const auto& [index, error] : outcome.refusals) {
    json.begin_object().field("index", index).field("error", name_of(error.code)).field("message", error.message);
    write_hints(json, limits, error);
    json.end_object();
  }
  json.end_array();
}

void write_position(JsonWriter& json, std::string_view entity, std::string_view device, Offset offset) {
  json.field("entity", entity).field("device", device).field("offset", offset);
}

void write_positions(JsonWriter& json, std::string_view entity, const Positions& positions) {
  json.field("entity", entity).field("last", positions.last).key("devices").begin_array();
  for (const auto& [device, offset] : positions.devices)
    json.begin_object()
        .field("device", std::string_view(device))
        .field("offset", offset)
        .field("unread", positions.last - std::min(positions.last, offset))
        .end_object();
  json.end_array();
}

std::string inspection_json(std::string_view entity, wire::Inspection::Reader inspection) {
  JsonWriter json;
  json.begin_object().field("entity", entity);
  json.field("first_offset", inspection.getFirstOffset()).field("last_offset", inspection.getLastOffset());
  json.field("cursor", inspection.getCursor()).field("dead_letters", inspection.getDeadLetters());
  json.field("behaviour_version", inspection.getBehaviourVersion()).key("state");
  if (view(inspection.getState()).empty())
    json.null();
  else
    json.raw(view(inspection.getState()));
  return json.end_object().take();
}

std::string stats_json(wire::Stats::Reader stats) {
  JsonWriter json;
  json.begin_object().field("version", view(stats.getVersion())).field("uptime_ms", stats.getUptimeMs());
  json.key("counters").begin_object();
  for (const auto counter : stats.getCounters()) {
    json.key(view(counter.getName()));
    is_whole(counter.getValue()) ? json.value(static_cast<std::uint64_t>(counter.getValue()))
                                 : json.value(counter.getValue());
  }
  json.end_object().key("stages").begin_array();
  for (const auto stage : stats.getStages()) {
    json.begin_object()
        .field("stage", view(stage.getStage()))
        .field("count", stage.getCount())
        .field("p50_ms", stage.getP50Ms());
    json.field("p99_ms", stage.getP99Ms()).field("max_ms", stage.getMaxMs()).end_object();
  }
  json.end_array().key("busiest").begin_array();
  for (const auto busy : stats.getBusiest())
    json.begin_object()
        .field("entity", view(busy.getEntity()))
        .field("events_per_s", busy.getEventsPerS())
        .end_object();
  return json.end_array().end_object().take();
}

std::string dead_letter_json(wire::DeadLetter::Reader letter) {
  JsonWriter json;
  json.begin_object().field("entity", view(letter.getEntity()));
  add_event(json, letter.getOffset(), letter.getEvent());
  json.field("reason", view(letter.getReason())).field("attempts", letter.getAttempts());
  return json.end_object().take();
}

}  // namespace carillon::actors
