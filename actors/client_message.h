// What a client says over a WebSocket: one JSON object per message (docs/protocol.md).
//
// Pure. Judges the form of the message only; whether an entity, a producer or a payload is one, is judged where it is used, so that one
// wrong event does not spoil those beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "messages/event.h"
#include "messages/result.h"
#include "runtime/admission.h"
#include "runtime/json.h"

namespace carillon::actors {

// The object under `publish`. What an event lacks, or has of a wrong type, is empty or 0 here, and refused as such.
struct PublishBatch {
  struct Event {
    std::string entity, type;
    std::string payload;  // As the client wrote it, where that can be told; an object or not.
    Sequence sequence = 0;
    std::optional<TraceParent> traceparent = {};
    runtime::PublicationView view() const { return {entity, type, payload, sequence, traceparent}; }
  };
  std::string producer;
  std::vector<Event> events;
};

struct PublishMessage {
  std::uint32_t id = 0;
  PublishBatch batch;
};
struct FollowMessage {
  enum class From { kOffset, kEnd, kAcknowledged };
  std::uint32_t id = 0;
  std::string entity;
  From from = From::kOffset;
  Offset offset = 0;
  std::string device;    // For kAcknowledged.
  bool present = false;  // The player is here as long as the follow lasts.
};
struct UnfollowMessage {
  std::uint32_t id = 0;
};
struct AcknowledgeMessage {
  std::uint32_t id = 0;
  std::string entity, device;
  Offset offset = 0;
};
struct PositionsMessage {
  std::uint32_t id = 0;
  std::string entity;
};
struct AuthenticateMessage {
  std::uint32_t id = 0;
  std::string token;
};
struct PingMessage {};
struct PongMessage {};

using ClientMessage = std::variant<PublishMessage, FollowMessage, UnfollowMessage, AcknowledgeMessage, PositionsMessage,
                                   AuthenticateMessage, PingMessage, PongMessage>;

// MALFORMED says what cannot be understood.
Result<ClientMessage> parse_client_message(std::string_view text);

// A batch alone, as POST /events takes it: `text` is the object.
Result<PublishBatch> parse_publish_batch(std::string_view text);

}  // namespace carillon::actors
