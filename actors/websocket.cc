#include "actors/websocket.h"

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "actors/answer_json.h"
#include "actors/client_message.h"
#include "actors/entitlement.h"
#include "actors/feed.h"
#include "actors/positions.h"
#include "actors/presence.h"
#include "actors/publish_path.h"
#include "actors/version.h"
#include "actors/wire_answers.h"
#include "messages/rfc3339.h"
#include "runtime/admission.h"

namespace carillon::actors {
namespace {

constexpr std::size_t kMessageBytesOfStrangers = 1'024;

constexpr std::string_view kSubprotocol = "carillon.v1";
constexpr std::string_view kTokenProtocol = "carillon.token.";  // And the token: how pages show theirs.
constexpr auto kCloseWithin = 2 * kj::SECONDS;                  // For what waits, our close and the client's.
constexpr std::chrono::milliseconds kWaited{1'000};             // A write that took so long waited for the client.

// Close codes (docs/protocol.md).
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kTooBig = 1009,
  kMalformed = 4400,
  kUnauthenticated = 4401,
  kForbidden = 4403,
  kIdle = 4408,
  kLimitExceeded = 4429,
};

kj::Duration kj_duration(std::chrono::milliseconds duration) { return duration.count() * kj::MILLISECONDS; }

// What follows `wanted` in the first item of a comma-separated list that begins so; nothing when none does.
std::optional<std::string_view> item_beginning(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    auto item = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (item.starts_with(wanted)) return item.substr(wanted.size());
  }
  return std::nullopt;
}

// Whether it names `wanted` itself.
bool lists(std::string_view list, std::string_view wanted) {
  const auto rest = item_beginning(list, wanted);
  return rest && rest->empty();
}

// Whether `player` may be made present: to read somebody's stream is not to be them.
Result<void> check_present(const access::Rights& rights, const EntityId& player) {
  if (rights.subject() == player.key()) return {};
  return rights.check_publish(player.text());
}

}  // namespace

class SocketConnection final : private kj::TaskSet::ErrorHandler {
 public:
  SocketConnection(HttpCall& call, access::Rights rights, kj::Own<kj::WebSocket> socket)
      : edge_(call.edge),
        entitlement_(edge_, std::move(rights)),
        stream_(call.stream),
        visit_(call.visit),
        socket_(kj::mv(socket)),
        heard_at_(Clock::now()),
        requests_(*this) {
    edge_.sockets.insert(this);
  }
  ~SocketConnection() noexcept(false) {
    edge_.sockets.erase(this);
    if (publishing_) edge_.leave_behind(std::move(publishing_));
  }

  // Until it ends. `objection` says why it is to end at once.
  kj::Promise<void> run(const std::optional<std::pair<CloseCode, Error>>& objection) {
    auto done = kj::newPromiseAndFulfiller<void>();
    done_ = kj::mv(done.fulfiller);
    if (objection)
      close_with(objection->first, objection->second);
    else
      welcome();
    reading_ = read().eagerlyEvaluate([this](kj::Exception&& failed) { reading_failed(failed); });
    watching_ = watch().eagerlyEvaluate(nullptr);
    entitlement_.on_expiring([this](std::int64_t expires_at_ms) { tell_expiring(expires_at_ms); });
    expired_ = entitlement_.ended()
                   .then([this](const Error& error) { close_with(CloseCode::kUnauthenticated, error); })
                   .eagerlyEvaluate(nullptr);
    return kj::mv(done.promise);
  }

  void going_away() { close(CloseCode::kGoingAway, "the node stops"); }

 private:
  // --- Reading.

  kj::Promise<void> read() {
    // KJ takes only what is smaller than what it is given.
    return socket_->receive(limits().socket_message_bytes_max + 1)
        .then([this](kj::WebSocket::Message&& message) -> kj::Promise<void> {
          if (message.is<kj::WebSocket::Close>()) return closed_by_client(), kj::READY_NOW;
          if (!closing_) take(message);
          if (closing_ || has_room()) return read();
          auto room = kj::newPromiseAndFulfiller<void>();
          room_ = kj::mv(room.fulfiller);
          return room.promise.then([this] { return read(); });
        });
  }

  void take(kj::WebSocket::Message& message) {
    if (!message.is<kj::String>())
      return close_with(CloseCode::kMalformed, {ErrorCode::MALFORMED, "messages are text frames", 0});
    const auto& text = message.get<kj::String>();
    auto parsed = parse_client_message({text.begin(), text.size()});
    if (!parsed) return close_with(CloseCode::kMalformed, parsed.error());
    std::visit([this](auto& content) { handle(content); }, *parsed);
  }

  void closed_by_client() {
    client_closed_ = true;
    close(CloseCode::kNormal, "");
    end_if_closed();
  }

  void reading_failed(const kj::Exception& failed) {
    if (failed.getType() == kj::Exception::Type::DISCONNECTED) return end();
    switch (stream_.trouble()) {
      case GuardedStream::Trouble::kTooBig:
        close(CloseCode::kTooBig,
              "a message has at most " + std::to_string(limits().socket_message_bytes_max) + " bytes");
        break;
      case GuardedStream::Trouble::kNoRoom:
        close_with(CloseCode::kLimitExceeded,
                   {ErrorCode::LIMIT_EXCEEDED,
                    "too much is being sent at once, on this connection and others; connect again in a moment", 0});
        break;
      case GuardedStream::Trouble::kNoFrames:
      case GuardedStream::Trouble::kNone:
        close_with(CloseCode::kMalformed, {ErrorCode::MALFORMED, "these are no frames of a WebSocket", 0});
        break;
    }
    // What comes now cannot be understood any more; it is read until the client has closed its side.
    draining_ = stream_.drain().then([this] { end(); }).eagerlyEvaluate([this](kj::Exception&&) { end(); });
  }

  // While answers wait, or requests without an answer, nothing more is read.
  bool has_room() const {
    return answer_bytes_ < limits().socket_answer_bytes_max && requests_under_way_ < limits().socket_requests_max;
  }
  void room_may_be() {
    if (room_.get() != nullptr && (closing_ || has_room())) kj::mv(room_)->fulfill();
  }

  // --- What clients ask. Where rights are asked: each first thing.

  void handle(PublishMessage& message) {
    const auto producer = ProducerId::client(message.batch.producer);
    if (!producer) return refuse(message.id, producer.error());
    if (!publishing_) publishing_ = std::make_shared<PublishPath>(edge_, &visit_);
    const auto& events = message.batch.events;
    // It ends here: nothing that comes behind it may overtake.
    if (const auto refusal = publishing_->refusal_of_all(events.size()))
      return close_with(CloseCode::kLimitExceeded, *refusal);
    answer_when(publishing_
                    ->publish(rights(), *producer, static_cast<std::uint32_t>(events.size()),
                              [&](std::uint32_t i) { return events[i].view(); })
                    .then([this, id = message.id](const runtime::PublishOutcome& outcome) {
                      JsonWriter json;
                      json.begin_object().key("published").begin_object().field("id", id);
                      write_outcome(json, limits(), outcome);
                      answer(json.end_object().end_object().take());
                    }));
  }

  void handle(FollowMessage& message) {
    const auto id = message.id;
    if (numbers_.contains(id))
      return refuse(id, {ErrorCode::MALFORMED, "a follow with this id is there already; unfollow it first", 0});
    if (follows_.size() >= limits().socket_follows_max)
      return tell_ended(
          id, {ErrorCode::LIMIT_EXCEEDED,
               "a connection follows at most " + std::to_string(limits().socket_follows_max) + " entities", 0});
    if (const auto refusal = visit_.request()) return tell_ended(id, *refusal);
    auto entity = runtime::check_entity(message.entity, edge_.catalogue);
    if (!entity) return tell_ended(id, entity.error());
    if (auto allowed = rights().check_read(entity->text()); !allowed) return tell_ended(id, allowed.error());
    if (message.from == FollowMessage::From::kOffset && message.offset == 0)
      return tell_ended(id, {ErrorCode::MALFORMED, "offsets count from 1; this one is 0", 0});
    if (message.from == FollowMessage::From::kAcknowledged)
      if (const auto named = check_device(message.device); !named) return tell_ended(id, named.error());
    if (message.present && !entity->is_player())
      return tell_ended(id, {ErrorCode::MALFORMED, "only players can be present", 0});
    if (message.present)
      if (auto allowed = check_present(rights(), *entity); !allowed) return tell_ended(id, allowed.error());
    const auto number = ++last_follow_;
    numbers_.emplace(id, number);
    auto& follow = follows_[number];
    follow.id = id;
    if (rights().expires_at_ms()) follow.entity = *entity;
    if (message.present) follow.stay = edge_.presence->arrived(std::string(entity->key()));
    switch (message.from) {
      case FollowMessage::From::kOffset:
        return feed().follow(number, std::move(*entity), {FollowStart::Kind::kAt, message.offset});
      case FollowMessage::From::kEnd:
        return feed().follow(number, std::move(*entity), {FollowStart::Kind::kEnd, 0});
      case FollowMessage::From::kAcknowledged:
        break;
    }
    answer_when(positions_of(edge_, rights(), entity->text())
                    .then([this, number, entity = *entity,
                           device = std::move(message.device)](const Result<Positions>& positions) {
                      if (!follows_.contains(number)) return;  // Unfollowed meanwhile.
                      if (!positions) return follow_ended(number, positions.error());
                      const auto at = positions->devices.find(device);
                      const bool has_read = at != positions->devices.end() && at->second > 0;
                      feed().follow(number, entity,
                                    has_read ? FollowStart{FollowStart::Kind::kBehind, at->second}
                                             : FollowStart{FollowStart::Kind::kFirst});
                    }));
  }

  void handle(const UnfollowMessage& message) {
    if (const auto found = numbers_.find(message.id); found != numbers_.end()) {
      if (feed_) feed_->unfollow(found->second);
      follows_.erase(found->second);
      numbers_.erase(found);
    }
    JsonWriter json;
    json.begin_object().key("unfollowed").begin_object().field("id", message.id);
    answer(json.end_object().end_object().take());
  }

  void handle(AcknowledgeMessage& message) {
    if (const auto refusal = visit_.request()) return refuse(message.id, *refusal);
    auto stored = acknowledge(edge_, rights(), message.entity, message.device, message.offset);
    answer_when(stored.then([this, message = std::move(message)](const Result<Offset>& holds) {
      if (!holds) return refuse(message.id, holds.error());
      JsonWriter json;
      json.begin_object().key("acknowledged").begin_object().field("id", message.id);
      write_position(json, message.entity, message.device, *holds);
      answer(json.end_object().end_object().take());
    }));
  }

  void handle(PositionsMessage& message) {
    if (const auto refusal = visit_.request()) return refuse(message.id, *refusal);
    auto found = positions_of(edge_, rights(), message.entity);
    answer_when(found.then([this, message = std::move(message)](const Result<Positions>& positions) {
      if (!positions) return refuse(message.id, positions.error());
      JsonWriter json;
      json.begin_object().key("positions_are").begin_object().field("id", message.id);
      write_positions(json, message.entity, *positions);
      answer(json.end_object().end_object().take());
    }));
  }

  void handle(const AuthenticateMessage& message) {
    if (edge_.gatekeeper.open())
      return refuse(message.id, {ErrorCode::NOT_FOUND, "this node has no keys, and needs no token", 0});
    const auto authenticated =
        entitlement_.authenticate(message.token, [this](const access::Rights& renewed) -> Result<void> {
          for (const auto& [number, follow] : follows_)
            if (auto allowed = check_follow(renewed, follow); !allowed) return allowed;
          return visit_.enter(renewed);
        });
    if (!authenticated) return refuse(message.id, authenticated.error());
    JsonWriter json;
    json.begin_object().key("authenticated").begin_object().field("id", message.id);
    write_subject(json);
    answer(json.end_object().end_object().take());
  }
  void handle(const PingMessage&) { answer(R"({"pong":{}})"); }
  void handle(const PongMessage&) {}

  // --- Following.

  Feed& feed() {
    if (!feed_)
      feed_.emplace(edge_,
                    Feed::Client{[this](const auto& deliveries) { return pass_on(deliveries); },
                                 [this](std::uint32_t number, const Error& error) { follow_ended(number, error); },
                                 [this](std::uint32_t number, const auto& outcome) { follow_begun(number, outcome); }},
                    limits().socket_credit_bytes);
    return *feed_;
  }

  void follow_begun(std::uint32_t number, const Result<FollowBegun>& outcome) {
    const auto found = follows_.find(number);
    if (found == follows_.end()) return;  // Unfollowed meanwhile.
    if (!outcome) return follow_ended(number, outcome.error());
    JsonWriter json;
    json.begin_object().key("following").begin_object().field("id", found->second.id);
    json.field("next", outcome->next).field("last", outcome->last);
    answer(json.end_object().end_object().take());
  }

  void follow_ended(std::uint32_t number, const Error& error) {
    const auto found = follows_.find(number);
    if (found == follows_.end()) return;
    const auto id = found->second.id;
    follows_.erase(found);
    numbers_.erase(id);
    tell_ended(id, error);
  }

  kj::Promise<void> pass_on(const std::vector<runtime::Delivery>& deliveries) {
    if (closing_) return kj::NEVER_DONE;
    bool any = false;
    for (const auto& delivery : deliveries) {
      const auto found = follows_.find(delivery.follow);
      if (found == follows_.end()) continue;  // Unfollowed meanwhile.
      JsonWriter json(256 * delivery.events.events.size() + 64);
      json.begin_object()
          .key("events")
          .begin_object()
          .field("id", found->second.id)
          .field("first", delivery.events.first);
      json.key("events").begin_array();
      for (const auto* event : delivery.events.events) {
        json.begin_object();
        write_event(json, *event);
        json.end_object();
      }
      queue_.push_back({json.end_array().end_object().end_object().take(), false, {}});
      any = true;
    }
    if (!any) return kj::READY_NOW;
    auto written = kj::newPromiseAndFulfiller<void>();
    queue_.back().written = kj::mv(written.fulfiller);
    write_on();
    return kj::mv(written.promise);
  }

  // --- Answering.

  void welcome() {
    JsonWriter json;
    json.begin_object().key("welcome").begin_object().field("version", std::string_view(kVersion));
    write_subject(json);
    json.field("ping_every_ms", limits().socket_ping_every.count());
    json.field("idle_timeout_ms", limits().socket_idle_timeout.count());
    json.field("payload_bytes_max", edge_.limits.payload_bytes_max);
    json.field("batch_events_max", edge_.limits.batch_events_max);
    json.field("message_bytes_max", limits().socket_message_bytes_max);
    json.field("follows_max", limits().socket_follows_max);
    answer(json.end_object().end_object().take());
  }

  // Who the token is for, and until when; nothing where there is none.
  void write_subject(JsonWriter& json) const {
    if (const auto expires = rights().expires_at_ms())
      json.field("subject", rights().subject()).field("expires_at", rfc3339(*expires));
  }
  void tell_expiring(std::int64_t expires_at_ms) {
    JsonWriter json;
    json.begin_object().key("expiring").begin_object().field("expires_at", rfc3339(expires_at_ms));
    answer(json.end_object().end_object().take());
  }

  // Runs what gives an answer, once, later.
  void answer_when(kj::Promise<void> answered) {
    ++requests_under_way_;
    requests_.add(answered.then([this] {
      --requests_under_way_;
      room_may_be();
    }));
  }
  void taskFailed(kj::Exception&&) override { close(CloseCode::kGoingAway, "the node could not answer"); }

  void answer(std::string text) {
    if (closing_) return;
    answer_bytes_ += text.size();
    queue_.push_back({std::move(text), true, {}});
    write_on();
  }

  void tell(const char* what, std::optional<std::uint32_t> id, const Error& error) {
    JsonWriter json;
    json.begin_object().key(what).begin_object();
    if (id) json.field("id", *id);
    json.field("error", name_of(error.code)).field("message", error.message);
    write_hints(json, limits(), error);
    answer(json.end_object().end_object().take());
  }
  void refuse(std::uint32_t id, const Error& error) { tell("refused", id, error); }
  void tell_ended(std::uint32_t id, const Error& error) { tell("ended", id, error); }

  // --- Writing: one frame at a time.

  void write_on() {
    if (std::exchange(writing_now_, true)) return;
    writing_ = write_next().eagerlyEvaluate([this](kj::Exception&&) { end(); });
  }

  kj::Promise<void> write_next() {
    if (queue_.empty()) {
      if (close_ && !std::exchange(close_begun_, true)) {
        const auto& [code, reason] = *close_;
        return socket_->close(static_cast<std::uint16_t>(code), reason.c_str()).then([this] {
          close_sent_ = true;
          end_if_closed();
        });
      }
      writing_now_ = false;
      return kj::READY_NOW;
    }
    auto frame = kj::heap<Frame>(kj::mv(queue_.front()));
    queue_.pop_front();
    const auto begun = Clock::now();
    auto sent = socket_->send(kj::ArrayPtr<const char>(frame->text.data(), frame->text.size()));
    return sent.then([this, begun, frame = kj::mv(frame)]() mutable {
      // A client that makes room in a full socket lives, even if it has not come to what we asked it.
      if (Clock::now() - begun > kWaited) heard_at_ = Clock::now();
      if (frame->is_answer) answer_bytes_ -= frame->text.size();
      if (frame->written.get() != nullptr) frame->written->fulfill();
      frame = nullptr;
      room_may_be();
      return write_next();
    });
  }

  // --- The end.

  kj::Promise<void> watch() {
    const auto left = heard_at() + limits().socket_idle_timeout - Clock::now();
    const auto next = std::clamp<Clock::duration>(left, std::chrono::milliseconds(1), limits().socket_ping_every);
    return edge_.timer.afterDelay(kj_duration(std::chrono::ceil<std::chrono::milliseconds>(next)))
        .then([this]() -> kj::Promise<void> {
          if (closing_) return kj::READY_NOW;
          const auto silent = Clock::now() - heard_at();
          if (silent >= limits().socket_idle_timeout)
            return close(CloseCode::kIdle, "nothing came for too long"), kj::READY_NOW;
          const auto begun_at = stream_.message_begun_at();
          if (begun_at && Clock::now() - *begun_at >= limits().message_within)
            return close(CloseCode::kIdle, "a message was begun and not ended for too long"), kj::READY_NOW;
          if (silent >= limits().socket_ping_every && queue_.empty()) answer(R"({"ping":{}})");
          return watch();
        });
  }

  // After `error` was said.
  void close_with(CloseCode code, const Error& error) {
    tell("error", std::nullopt, error);
    close(code, name_of(error.code));
  }

  // What waits is written, then the close; then the client's close is waited for, but not for long.
  void close(CloseCode code, std::string_view reason) {
    if (std::exchange(closing_, true)) return;
    close_.emplace(code, std::string(reason));
    room_may_be();
    write_on();
    closing_in_time_ = edge_.timer.afterDelay(kCloseWithin).then([this] { end(); }).eagerlyEvaluate(nullptr);
  }

  void end_if_closed() {
    if (close_sent_ && client_closed_) end();
  }
  void end() { done_->fulfill(); }

  // The last sign of life: a whole frame, of whatever kind; or room in a full socket.
  Clock::time_point heard_at() const { return std::max(heard_at_, stream_.frame_at()); }
  const EdgeLimits& limits() const { return edge_.edge_limits; }
  const access::Rights& rights() const { return entitlement_.rights(); }

  struct FollowOfClient {
    std::uint32_t id = 0;
    std::optional<EntityId> entity;                // Where there are tokens: another one must allow it as well.
    std::unique_ptr<PresenceReporter::Stay> stay;  // Of a follow that makes its player present.
  };
  static Result<void> check_follow(const access::Rights& rights, const FollowOfClient& follow) {
    if (!follow.entity) return {};
    if (auto allowed = rights.check_read(follow.entity->text()); !allowed) return allowed;
    return follow.stay ? check_present(rights, *follow.entity) : Result<void>();
  }

  struct Frame {
    std::string text;
    bool is_answer = false;
    kj::Own<kj::PromiseFulfiller<void>> written;
  };

  Edge& edge_;
  Entitlement entitlement_;
  GuardedStream& stream_;
  Visit& visit_;
  kj::Own<kj::WebSocket> socket_;
  kj::Own<kj::PromiseFulfiller<void>> done_;
  Clock::time_point heard_at_;  // When a full socket had room again.

  std::map<std::uint32_t, FollowOfClient> follows_;  // By the feed's number.
  std::map<std::uint32_t, std::uint32_t> numbers_;   // By the client's id.
  std::uint32_t last_follow_ = 0;

  std::list<Frame> queue_;
  std::size_t answer_bytes_ = 0;  // Of answers in `queue_` and on their way.
  std::size_t requests_under_way_ = 0;
  kj::Own<kj::PromiseFulfiller<void>> room_;  // Set while reading waits.
  bool writing_now_ = false;

  bool closing_ = false;  // Nothing more is said or understood.
  std::optional<std::pair<CloseCode, std::string>> close_;
  bool close_begun_ = false, close_sent_ = false, client_closed_ = false;

  std::shared_ptr<PublishPath> publishing_;  // Once something was published.
  std::optional<Feed> feed_;                 // Once something was followed.

  // Ended before everything that they use.
  kj::TaskSet requests_;
  kj::Promise<void> reading_ = nullptr, draining_ = nullptr, writing_ = nullptr, watching_ = nullptr,
                    expired_ = nullptr, closing_in_time_ = nullptr;
};

kj::Promise<void> serve_websocket(HttpCall& call) {
  if (!call.headers.isWebSocket())
    return call.refuse({ErrorCode::MALFORMED, "this is for WebSockets: connect with the subprotocol carillon.v1", 0});
  if (call.field(kj::HttpHeaderId::SEC_WEBSOCKET_VERSION) != "13" ||
      call.field(kj::HttpHeaderId::SEC_WEBSOCKET_KEY).empty())
    return call.refuse({ErrorCode::MALFORMED, "WebSockets are opened by RFC 6455, version 13", 0});
  if (!lists(call.field(call.names.websocket_protocol), kSubprotocol))
    return call.refuse({ErrorCode::MALFORMED, "ask for the subprotocol carillon.v1", 0});
  // Here a connection is let in, or not. A page learns of a refusal only from the code of a close, so it is opened all the same.
  std::optional<std::pair<CloseCode, Error>> objection;
  if (const auto visitor =
          judge_visitor(call.edge.origins, call.field(call.names.origin), call.field(kj::HttpHeaderId::HOST));
      !visitor)
    objection.emplace(CloseCode::kForbidden, visitor.error());
  auto token = call.bearer_token();
  if (token.empty()) token = item_beginning(call.field(call.names.websocket_protocol), kTokenProtocol).value_or("");
  auto admitted = call.edge.admit(token);
  if (!admitted && !objection) objection.emplace(CloseCode::kUnauthenticated, admitted.error());
  if (const auto entered = call.visit.enter(admitted ? *admitted : access::Rights()); !entered && !objection)
    objection.emplace(CloseCode::kLimitExceeded, entered.error());
  if (const auto refusal = call.visit.request(); refusal && !objection)
    objection.emplace(CloseCode::kLimitExceeded, *refusal);
  // Whoever is not let in takes no room from those who are.
  if (!call.stream.guard(objection ? kMessageBytesOfStrangers : call.edge.edge_limits.socket_message_bytes_max))
    return call.refuse({ErrorCode::MALFORMED, "wait for the handshake's answer before you send anything else", 0});
  kj::HttpHeaders header(*call.names.table);
  header.set(call.names.websocket_protocol, kj::StringPtr(kSubprotocol.data(), kSubprotocol.size()));
  auto connection = kj::heap<SocketConnection>(call, admitted ? std::move(*admitted) : access::Rights(),
                                               call.response.acceptWebSocket(header));
  auto& running = *connection;
  return running.run(objection).attach(kj::mv(connection));
}

void close_websockets(Edge& edge) {
  for (auto* socket : edge.sockets) socket->going_away();
}

}  // namespace carillon::actors
