#include "actors/client_message.h"

#include <limits>
#include <optional>
#include <utility>

#include "runtime/json_span.h"

namespace carillon::actors {
namespace {

Error malformed(std::string sentence) { return {ErrorCode::MALFORMED, std::move(sentence), 0}; }

std::optional<std::uint64_t> integer(const JsonValue& object, std::string_view name, std::uint64_t most) {
  const auto value = object.find(name);
  const auto number = value ? value->as_uint64() : std::nullopt;
  return number && *number <= most ? number : std::nullopt;
}

std::optional<std::string> text_of(const JsonValue& object, std::string_view name) {
  const auto value = object.find(name);
  const auto text = value ? value->as_string() : std::nullopt;
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

std::string payload_of(const JsonValue& event, std::string_view raw) {
  const auto value = event.find("payload");
  if (!value) return {};
  if (const auto written = json_member(raw, "payload")) return std::string(*written);
  JsonWriter json;
  return json.value(*value).take();
}

Result<PublishBatch> batch_of(const JsonValue& object, std::string_view raw) {
  auto producer = text_of(object, "producer");
  if (!producer) return malformed("a publish needs a producer, a string");
  const auto events = object.find("events");
  if (!events || !events->is_array()) return malformed("a publish needs events, an array");
  PublishBatch batch{std::move(*producer), {}};
  batch.events.reserve(events->size());
  const auto written = json_elements(json_member(raw, "events").value_or(std::string_view()));
  for (std::size_t i = 0; i < events->size(); ++i) {
    const auto event = events->element(i);
    if (!event.is_object()) return malformed("an event is an object");
    batch.events.push_back({text_of(event, "entity").value_or(""), text_of(event, "type").value_or(""),
                            payload_of(event, written.size() == events->size() ? written[i] : std::string_view()),
                            integer(event, "sequence", kJsonIntegerMax).value_or(0),
                            TraceParent::parse(text_of(event, "traceparent").value_or(""))});
  }
  return batch;
}

Result<ClientMessage> follow_of(std::uint32_t id, const JsonValue& object) {
  using From = FollowMessage::From;
  auto entity = text_of(object, "entity");
  if (!entity) return malformed("a follow needs an entity, a string");
  FollowMessage follow{id, std::move(*entity), From::kOffset, 0, {}, false};
  if (const auto present = object.find("present")) {
    if (!present->as_bool()) return malformed("present is true or false");
    follow.present = *present->as_bool();
  }
  const auto from = text_of(object, "from");
  if (from == "end") {
    follow.from = From::kEnd;
  } else if (from == "acknowledged") {
    auto device = text_of(object, "device");
    if (!device) return malformed("a follow from what is acknowledged needs a device, a string");
    follow.from = From::kAcknowledged;
    follow.device = std::move(*device);
  } else if (const auto offset = integer(object, "from", kJsonIntegerMax)) {
    follow.offset = *offset;
  } else {
    return malformed(R"(a follow needs from: an offset, "end" or "acknowledged")");
  }
  return ClientMessage(std::move(follow));
}

}  // namespace

Result<ClientMessage> parse_client_message(std::string_view text) {
  JsonDocument document;
  if (auto parsed = document.parse(text); !parsed) return parsed.error();
  const auto root = document.root();
  if (root.size() != 1) return malformed("a message is an object with one member, whose name says what it is");
  const auto name = root.member_name(0);
  const auto object = root.member(0);
  if (!object.is_object()) return malformed("what a message is about is an object");
  if (name == "ping") return ClientMessage(PingMessage{});
  if (name == "pong") return ClientMessage(PongMessage{});
  const auto number = integer(object, "id", std::numeric_limits<std::uint32_t>::max());
  if (!number) return malformed("a request needs an id, an integer from 0 to 4294967295");
  const auto id = static_cast<std::uint32_t>(*number);
  if (name == "publish") {
    auto batch = batch_of(object, json_member(text, name).value_or(std::string_view()));
    if (!batch) return batch.error();
    return ClientMessage(PublishMessage{id, std::move(*batch)});
  }
  if (name == "follow") return follow_of(id, object);
  if (name == "unfollow") return ClientMessage(UnfollowMessage{id});
  if (name == "authenticate") {
    auto token = text_of(object, "token");
    if (!token) return malformed("authenticate needs a token, a string");
    return ClientMessage(AuthenticateMessage{id, std::move(*token)});
  }
  if (name != "acknowledge" && name != "positions") return malformed("there is no message of this name");
  auto entity = text_of(object, "entity");
  if (!entity) return malformed("an entity is missing, a string");
  if (name == "positions") return ClientMessage(PositionsMessage{id, std::move(*entity)});
  auto device = text_of(object, "device");
  const auto offset = integer(object, "offset", kJsonIntegerMax);
  if (!device || !offset) return malformed("acknowledge needs a device, a string, and an offset");
  return ClientMessage(AcknowledgeMessage{id, std::move(*entity), std::move(*device), *offset});
}

Result<PublishBatch> parse_publish_batch(std::string_view text) {
  JsonDocument document;
  if (auto parsed = document.parse(text); !parsed) return parsed.error();
  return batch_of(document.root(), text);
}

}  // namespace carillon::actors
