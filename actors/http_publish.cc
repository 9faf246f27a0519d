#include "actors/http_publish.h"

#include <spdlog/fmt/fmt.h>
#include <xxhash.h>

#include "actors/answer_json.h"
#include "actors/client_message.h"
#include "actors/publish_path.h"
#include "actors/random_name.h"

namespace carillon::actors {
namespace {

constexpr std::size_t kIdempotencyKeyBytesMax = 200;

struct Numbering {
  std::string producer;
  Sequence sequence = 1;
};

// Names that are made up here stay among the subject's own, so that nobody uses up another one's.
std::string own_prefix(const HttpCall& call) {
  return (call.rights.subject().empty() ? std::string() : call.rights.subject() + "/") + "http/";
}

// Of an entity's own: the same key at another one is another event.
std::string name_of_key(const std::string& entity, std::string_view key) {
  const auto text = entity + '\0' + std::string(key);
  const auto hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

// Who published it and under which number, so that it is stored once. Without either it is not repeatable.
Result<Numbering> numbering_of(const HttpCall& call) {
  const auto producer = call.target.parameter("producer");
  const auto sequence = call.target.parameter("sequence");
  const auto key = call.field(call.names.idempotency_key);
  if (producer.empty() != sequence.empty())
    return Error{ErrorCode::MALFORMED, "producer and sequence belong together", 0};
  if (!key.empty() && !producer.empty())
    return Error{ErrorCode::MALFORMED, "give a producer and a sequence, or an Idempotency-Key, not both", 0};
  if (key.size() > kIdempotencyKeyBytesMax)
    return Error{ErrorCode::MALFORMED, "an Idempotency-Key has at most 200 bytes", 0};
  if (!key.empty()) return Numbering{own_prefix(call) + name_of_key(call.target.entity(), key), 1};
  if (producer.empty()) return Numbering{own_prefix(call) + random_name(), 1};
  const auto number = whole_number(sequence);
  if (!number) return Error{ErrorCode::MALFORMED, "the sequence is not a number", 0};
  return Numbering{std::string(producer), *number};
}

// Of what has none of its own.
std::optional<TraceParent> trace_of(const HttpCall& call) {
  return TraceParent::parse(call.field(call.names.traceparent));
}

}  // namespace

kj::Promise<void> publish_payload(HttpCall& call) {
  if (call.target.parameter("type").empty())
    return call.refuse({ErrorCode::MALFORMED, "name the event's type: POST /events/KIND/KEY?type=TYPE", 0});
  const auto numbering = numbering_of(call);
  if (!numbering) return call.refuse(numbering.error());
  const auto producer = ProducerId::client(numbering->producer);
  if (!producer) return call.refuse(producer.error());
  return call.read_body(call.edge.limits.payload_bytes_max)
      .then([&call, producer = *producer, sequence = numbering->sequence](Result<std::string> body) {
        if (!body) return call.refuse(body.error());
        auto path = kj::heap<PublishPath>(call.edge, &call.visit, 1);  // The request was counted.
        const auto entity = call.target.entity();
        return path
            ->publish(call.rights, producer, 1,
                      [&](std::uint32_t) {
                        return runtime::PublicationView{entity, call.target.parameter("type"), *body, sequence,
                                                        trace_of(call)};
                      })
            .then([&call](const runtime::PublishOutcome& outcome) {
              if (!outcome.refusals.empty()) return call.refuse(outcome.refusals.front().error);
              JsonWriter json;
              return call.send_json(json.begin_object().field("duplicate", outcome.duplicates > 0).end_object().take());
            })
            .attach(kj::mv(path));
      });
}

kj::Promise<void> publish_batch(HttpCall& call) {
  return call.read_body(call.edge.edge_limits.socket_message_bytes_max)
      .then([&call](Result<std::string> body) -> kj::Promise<void> {
        if (!body) return call.refuse(body.error());
        const auto batch = parse_publish_batch(*body);
        if (!batch) return call.refuse(batch.error());
        const auto producer = ProducerId::client(batch->producer);
        if (!producer) return call.refuse(producer.error());
        auto path = kj::heap<PublishPath>(call.edge, &call.visit, 1);  // The request was counted.
        if (const auto refusal = path->refusal_of_all(batch->events.size())) return call.refuse(*refusal);
        return path
            ->publish(call.rights, *producer, static_cast<std::uint32_t>(batch->events.size()),
                      [&](std::uint32_t i) {
                        auto view = batch->events[i].view();
                        if (!view.traceparent) view.traceparent = trace_of(call);
                        return view;
                      })
            .then([&call](const runtime::PublishOutcome& outcome) {
              JsonWriter json;
              json.begin_object();
              write_outcome(json, call.edge.edge_limits, outcome);
              return call.send_json(json.end_object().take());
            })
            .attach(kj::mv(path));
      });
}

}  // namespace carillon::actors
