#include "actors/http_follow.h"

#include <limits>
#include <optional>

#include "actors/answer_json.h"
#include "actors/entitlement.h"
#include "actors/feed.h"
#include "runtime/admission.h"

namespace carillon::actors {
namespace {

constexpr auto kKeepAlive = 15 * kj::SECONDS;  // Between comments on a silent stream, so that a lost client is noticed.
constexpr std::string_view kFollowing = ": following\n\n";

std::string server_sent_event(Offset offset, const Event& event) {
  JsonWriter json(event.payload.size() + 160);
  json.begin_object().field("offset", offset);
  write_event(json, event);
  json.end_object();
  // A payload may span lines; each is a data line of its own.
  std::string text = "id: " + std::to_string(offset) + "\ndata: ";
  for (const char c : json.text()) {
    if (c == '\r') continue;
    text += c;
    if (c == '\n') text += "data: ";
  }
  return text += "\n\n";
}

// Where to begin: behind the event that the client has seen, or where it asks to.
Result<Offset> start_of(const HttpCall& call) {
  if (const auto last = call.field(call.names.last_event_id); !last.empty()) {
    const auto number = whole_number(last);
    if (!number || *number == std::numeric_limits<Offset>::max())
      return Error{ErrorCode::MALFORMED, "Last-Event-ID is not an offset", 0};
    return *number + 1;
  }
  const auto asked = call.target.parameter("from");
  if (asked.empty()) return Offset{1};
  const auto number = whole_number(asked);
  if (!number || *number == 0) return Error{ErrorCode::MALFORMED, "from is an offset, counted from 1", 0};
  return *number;
}

// What the feed brings is written as it comes; the feed waits for the socket.
class Follower {
 public:
  explicit Follower(HttpCall& call) : call_(call), entitlement_(call.edge, call.rights) {
    auto opened = kj::newPromiseAndFulfiller<void>();
    opened_ = kj::mv(opened.fulfiller);
    written_ = opened.promise.fork();
    auto ended = kj::newPromiseAndFulfiller<void>();
    ended_ = kj::mv(ended.fulfiller);
    ended_promise_ = kj::mv(ended.promise);
    feed_.emplace(call.edge, Feed::Client{[this](const std::vector<runtime::Delivery>& deliveries) {
                                            std::string text;
                                            for (const auto& delivery : deliveries)
                                              for (std::size_t i = 0; i < delivery.events.events.size(); ++i)
                                                text += server_sent_event(delivery.events.first + i,
                                                                          *delivery.events.events[i]);
                                            return write(std::move(text));
                                          },
                                          [this](std::uint32_t, const Error& error) { end(error); }});
  }

  kj::Promise<void> run(EntityId entity, Offset from) {
    return feed_->start({{std::move(entity), from}}).then([this](auto refusals) -> kj::Promise<void> {
      if (!refusals.empty()) return call_.refuse(refusals.front().error);
      out_ = call_.response.send(200, "OK", call_.answer_header("text/event-stream"));
      auto greeted = out_->write(kFollowing.data(), kFollowing.size());
      return greeted.then([this] {
        opened_->fulfill();
        auto finished = ended_promise_.then([this] { return written_.addBranch(); });
        return feed_->on_broken()
            .exclusiveJoin(kj::mv(finished))
            .exclusiveJoin(keep_alive())
            .exclusiveJoin(entitlement_.ended().ignoreResult());
      });
    });
  }

 private:
  // Deliveries may come before there is `out_`: they wait their turn.
  kj::Promise<void> write(std::string text) {
    ++writing_;
    auto kept = kj::heap<std::string>(std::move(text));
    written_ = written_.addBranch()
                   .then([this, kept = kj::mv(kept)]() mutable {
                     auto& bytes = *kept;
                     return out_->write(bytes.data(), bytes.size()).attach(kj::mv(kept));
                   })
                   .then([this] { --writing_; })
                   .fork();
    return written_.addBranch();
  }

  // Says why: an `EventSource` is not told what it meets when it comes again.
  void end(const Error& error) {
    JsonWriter json;
    json.begin_object().field("error", name_of(error.code)).field("message", error.message);
    write_hints(json, call_.edge.edge_limits, error);
    (void)write("event: ended\ndata: " + json.end_object().take() + "\n\n");
    ended_->fulfill();
  }

  kj::Promise<void> keep_alive() {
    return call_.edge.timer.afterDelay(kKeepAlive).then([this] {
      auto said = writing_ > 0 ? kj::Promise<void>(kj::READY_NOW) : write(":\n\n");
      return said.then([this] { return keep_alive(); });
    });
  }

  HttpCall& call_;
  Entitlement entitlement_;
  kj::Own<kj::AsyncOutputStream> out_;  // Once the follow was not refused.
  std::optional<Feed> feed_;
  kj::Own<kj::PromiseFulfiller<void>> opened_, ended_;
  kj::Promise<void> ended_promise_ = nullptr;
  std::size_t writing_ = 0;
  kj::ForkedPromise<void> written_ = nullptr;  // Everything so far; a stream takes one write at a time.
};

}  // namespace

kj::Promise<void> follow_entity(HttpCall& call) {
  auto entity = runtime::check_entity(call.target.entity(), call.edge.catalogue);
  if (!entity) return call.refuse(entity.error());
  if (auto allowed = call.rights.check_read(entity->text()); !allowed) return call.refuse(allowed.error());
  const auto from = start_of(call);
  if (!from) return call.refuse(from.error());
  auto follower = kj::heap<Follower>(call);
  auto& running = *follower;
  return running.run(std::move(*entity), *from).attach(kj::mv(follower));
}

}  // namespace carillon::actors
