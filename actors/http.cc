#include "actors/http.h"

#include <kj/compat/url.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <random>

#include "actors/feed.h"
#include "actors/metrics.h"
#include "actors/publish_path.h"
#include "actors/questions.h"
#include "messages/rfc3339.h"
#include "runtime/admission.h"
#include "runtime/json.h"

namespace carillon::actors {
namespace {

constexpr auto kKeepAlive = 15 * kj::SECONDS;  // Between comments on a silent stream, so that a lost client is noticed.
constexpr std::string_view kFollowing = ": following\n\n";

struct Status {
  unsigned code;
  const char* text;
};

Status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::MALFORMED:
      return {400, "Bad Request"};
    case ErrorCode::FORBIDDEN:
      return {403, "Forbidden"};
    case ErrorCode::UNKNOWN_KIND:
    case ErrorCode::UNKNOWN_TYPE:
    case ErrorCode::NOT_FOUND:
      return {404, "Not Found"};
    case ErrorCode::PAYLOAD_TOO_LARGE:
      return {413, "Content Too Large"};
    case ErrorCode::TRUNCATED:
      return {410, "Gone"};
    case ErrorCode::BEYOND_END:
      return {416, "Range Not Satisfiable"};
    case ErrorCode::LIMIT_EXCEEDED:
    case ErrorCode::OVERLOADED:
      return {429, "Too Many Requests"};
    case ErrorCode::UNAVAILABLE:
      return {503, "Service Unavailable"};
  }
  return {500, "Internal Server Error"};
}

// A request's target, taken apart and decoded.
struct Target {
  std::vector<std::string> path;
  std::map<std::string, std::string, std::less<>> query;

  std::string_view parameter(std::string_view name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string_view() : std::string_view(found->second);
  }
  // The entity of /<what>/KIND/KEY; a key may hold slashes.
  std::string entity() const {
    std::string text = path[1] + "/" + path[2];
    for (std::size_t i = 3; i < path.size(); ++i) text += "/" + path[i];
    return text;
  }
};

std::optional<Target> parse_target(kj::StringPtr text) {
  KJ_IF_MAYBE (url, kj::Url::tryParse(text, kj::Url::HTTP_REQUEST)) {
    Target target;
    for (const auto& part : url->path) target.path.emplace_back(part.cStr(), part.size());
    for (const auto& parameter : url->query)
      target.query.emplace(std::string(parameter.name.cStr(), parameter.name.size()),
                           std::string(parameter.value.cStr(), parameter.value.size()));
    return target;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string server_sent_event(Offset offset, const Event& event) {
  JsonWriter json(event.payload.size() + 160);
  json.begin_object()
      .field("offset", offset)
      .field("type", event.type)
      .key("payload")
      .raw(event.payload)
      .field("producer", event.producer.text())
      .field("sequence", event.sequence)
      .field("accepted_at", rfc3339(event.accepted_at_ms))
      .end_object();
  // A payload may span lines; each is a data line of its own.
  std::string text = "id: " + std::to_string(offset) + "\ndata: ";
  for (const char c : json.text()) {
    if (c == '\r') continue;
    text += c;
    if (c == '\n') text += "data: ";
  }
  return text += "\n\n";
}

class Service final : public kj::HttpService {
 public:
  Service(Edge& edge, const NodeStatsSource& stats, const kj::HttpHeaderTable& table, kj::HttpHeaderId last_event_id,
          kj::HttpServerSettings settings)
      : edge_(edge),
        stats_(stats),
        table_(table),
        last_event_id_(last_event_id),
        server_(edge.timer, table, *this, settings) {}

  // The requests of one connection, until it ends.
  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream) { return server_.listenHttp(kj::mv(stream)); }

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    if (!last_ && is_last(headers)) {
      last_ = true;
      (void)server_.drain();  // Says so in the answer, and closes after it.
    }
    const auto target = parse_target(url);
    if (!target || target->path.empty()) return send_error(response, {ErrorCode::MALFORMED, "this URL has no path", 0});
    const auto& what = target->path[0];
    const bool is_get = method == kj::HttpMethod::GET;
    if (target->path.size() == 1) {
      if (is_get && what == "healthz") return health(response, false);
      if (is_get && what == "readyz") return health(response, true);
      if (is_get && what == "metrics") return metrics(response);
    } else if (target->path.size() >= 3) {
      if (is_get && what == "streams") return follow(*target, headers, response);
      if (method == kj::HttpMethod::POST && what == "events") return publish(*target, body, response);
    }
    return send_error(response, {ErrorCode::NOT_FOUND,
                                 "there is GET /streams/KIND/KEY, POST /events/KIND/KEY?type=T, /healthz, /readyz and "
                                 "/metrics",
                                 0});
  }

 private:
  // Whether the client asked that the connection be closed after the answer (RFC 9112, section 9.6).
  static bool is_last(const kj::HttpHeaders& headers) {
    KJ_IF_MAYBE (connection, headers.get(kj::HttpHeaderId::CONNECTION))
      return strcasecmp(connection->cStr(), "close") == 0;
    return false;
  }

  kj::Promise<void> send(Response& response, Status status, const char* type, std::string text,
                         std::optional<std::uint32_t> retry_after_s = std::nullopt) {
    kj::HttpHeaders headers(table_);
    headers.set(kj::HttpHeaderId::CONTENT_TYPE, type);
    if (retry_after_s) headers.add(kj::str("Retry-After"), kj::str(*retry_after_s));
    auto kept = kj::heap<std::string>(std::move(text));
    auto out = response.send(status.code, status.text, headers, kept->size());
    return out->write(kept->data(), kept->size()).attach(kj::mv(out), kj::mv(kept));
  }

  kj::Promise<void> send_error(Response& response, const Error& error) {
    JsonWriter json;
    json.begin_object().field("error", name_of(error.code)).field("message", error.message);
    if (error.first_offset > 0) json.field("first_offset", error.first_offset);
    const bool passing = error.code == ErrorCode::OVERLOADED || error.code == ErrorCode::UNAVAILABLE;
    return send(response, status_of(error.code), "application/json", json.end_object().take() + "\n",
                passing ? std::optional<std::uint32_t>(1) : std::nullopt);
  }

  kj::Promise<void> health(Response& response, bool ready) {
    return stats_().then([this, ready, &response](const NodeStats& stats) {
      auto problems = stats.problems();
      if (edge_.stopping) problems.push_back({"the node is stopping"});
      JsonWriter json;
      json.begin_object().field("status", problems.empty() ? "ok" : "degraded").key("problems").begin_array();
      for (const auto& problem : problems) json.value(problem.sentence);
      json.end_array().end_object();
      // Alive in any case: what is acknowledged is still served, and a restart would not mend a disk.
      const bool ok = !ready || std::ranges::none_of(problems, &Problem::blocks);
      return send(response, ok ? Status{200, "OK"} : Status{503, "Service Unavailable"}, "application/json",
                  json.take() + "\n");
    });
  }

  kj::Promise<void> metrics(Response& response) {
    return stats_().then([this, &response](const NodeStats& stats) {
      return send(response, {200, "OK"}, "text/plain; version=0.0.4", to_prometheus(stats));
    });
  }

  kj::Promise<void> publish(const Target& target, kj::AsyncInputStream& body, Response& response) {
    const auto limit = edge_.limits.payload_bytes_max;
    struct Request {
      std::string entity, type, producer;
      Sequence sequence = 1;
      kj::Own<PublishPath> path;
      std::string payload;
    };
    auto request = kj::heap<Request>();
    request->entity = target.entity();
    request->type = target.parameter("type");
    request->producer = target.parameter("producer");
    if (request->type.empty())
      return send_error(response, {ErrorCode::MALFORMED, "name the event's type: POST /events/KIND/KEY?type=TYPE", 0});
    const auto sequence = target.parameter("sequence");
    if (request->producer.empty() != sequence.empty())
      return send_error(response, {ErrorCode::MALFORMED, "producer and sequence belong together", 0});
    if (!sequence.empty()) {
      const auto number = number_in(sequence);
      if (!number) return send_error(response, {ErrorCode::MALFORMED, "the sequence is not a number", 0});
      request->sequence = *number;
    } else {
      request->producer = "http-" + random_name();
    }
    const auto within = edge_.edge_limits.request_within;
    return edge_.timer.timeoutAfter(within.count() * kj::MILLISECONDS, body.readAllText(limit + 1))
        .then(
            [this, &response, request = kj::mv(request)](kj::String text) mutable -> kj::Promise<void> {
              const auto producer = ProducerId::client(request->producer);
              if (!producer) return send_error(response, producer.error());
              request->payload.assign(text.cStr(), text.size());
              request->path = kj::heap<PublishPath>(edge_);
              auto& kept = *request;
              return kept.path
                  ->publish(*producer, 1,
                            [&kept](std::uint32_t) {
                              return runtime::PublicationView{kept.entity, kept.type, kept.payload, kept.sequence};
                            })
                  .then([this, &response](runtime::PublishOutcome outcome) {
                    if (!outcome.refusals.empty()) return send_error(response, outcome.refusals.front().error);
                    JsonWriter json;
                    json.begin_object().field("duplicate", outcome.duplicates > 0).end_object();
                    return send(response, {200, "OK"}, "application/json", json.take() + "\n");
                  })
                  .attach(kj::mv(request));
            },
            [this, &response, limit, within](kj::Exception&& failed) -> kj::Promise<void> {
              if (failed.getType() == kj::Exception::Type::DISCONNECTED) return kj::mv(failed);
              if (failed.getType() == kj::Exception::Type::OVERLOADED)
                return send_error(response,
                                  {ErrorCode::MALFORMED,
                                   "the body did not come within " + std::to_string(within.count()) + " ms", 0});
              return send_error(response, {ErrorCode::PAYLOAD_TOO_LARGE,
                                           "a payload has at most " + std::to_string(limit) + " bytes", 0});
            });
  }

  // One follower: what the feed brings is written as it comes; the feed waits for the socket.
  struct Follower {
    kj::Own<kj::AsyncOutputStream> out;  // Once the follow was not refused.
    std::optional<Feed> feed;
    kj::Own<kj::PromiseFulfiller<void>> opened, ended;
    std::size_t writing = 0;
    kj::ForkedPromise<void> written = nullptr;  // Everything so far; a stream takes one write at a time.

    // Deliveries may come before there is `out`: they wait their turn.
    kj::Promise<void> write(std::string text) {
      ++writing;
      auto kept = kj::heap<std::string>(std::move(text));
      written = written.addBranch()
                    .then([this, kept = kj::mv(kept)]() mutable {
                      auto& bytes = *kept;
                      return out->write(bytes.data(), bytes.size()).attach(kj::mv(kept));
                    })
                    .then([this] { --writing; })
                    .fork();
      return written.addBranch();
    }
  };

  kj::Promise<void> follow(const Target& target, const kj::HttpHeaders& headers, Response& response) {
    const auto entity = runtime::check_entity(target.entity(), edge_.catalogue);
    if (!entity) return send_error(response, entity.error());
    Offset from = 1;
    if (const auto asked = target.parameter("from"); !asked.empty()) {
      const auto number = number_in(asked);
      if (!number || *number == 0)
        return send_error(response, {ErrorCode::MALFORMED, "from is an offset, counted from 1", 0});
      from = *number;
    }
    KJ_IF_MAYBE (last, headers.get(last_event_id_)) {
      const auto number = number_in({last->cStr(), last->size()});
      if (!number || *number == std::numeric_limits<Offset>::max())
        return send_error(response, {ErrorCode::MALFORMED, "Last-Event-ID is not an offset", 0});
      from = *number + 1;
    }
    auto follower = kj::heap<Follower>();
    auto& at = *follower;
    auto opened = kj::newPromiseAndFulfiller<void>();
    at.opened = kj::mv(opened.fulfiller);
    at.written = opened.promise.fork();
    auto ended = kj::newPromiseAndFulfiller<void>();
    at.ended = kj::mv(ended.fulfiller);
    at.feed.emplace(edge_, Feed::Client{[&at](const std::vector<SessionDelivery>& deliveries) {
                                          std::string text;
                                          for (const auto& delivery : deliveries)
                                            for (std::size_t i = 0; i < delivery.events.events.size(); ++i)
                                              text += server_sent_event(delivery.events.first + i,
                                                                        *delivery.events.events[i]);
                                          return at.write(std::move(text));
                                        },
                                        [&at](std::uint32_t, const Error&) { at.ended->fulfill(); }});
    return at.feed->start({{*entity, from}})
        .then([this, &at, &response, ended = kj::mv(ended.promise)](auto refusals) mutable -> kj::Promise<void> {
          if (!refusals.empty()) return send_error(response, refusals.front().error);
          kj::HttpHeaders answer(table_);
          answer.set(kj::HttpHeaderId::CONTENT_TYPE, "text/event-stream");
          answer.add(kj::str("Cache-Control"), kj::str("no-store"));
          at.out = response.send(200, "OK", answer);
          auto greeted = at.out->write(kFollowing.data(), kFollowing.size());
          return greeted.then([this, &at, ended = kj::mv(ended)]() mutable {
            at.opened->fulfill();
            auto finished = ended.then([&at] { return at.written.addBranch(); });
            return at.feed->on_broken().exclusiveJoin(kj::mv(finished)).exclusiveJoin(keep_alive(at));
          });
        })
        .attach(kj::mv(follower));
  }

  kj::Promise<void> keep_alive(Follower& follower) {
    return edge_.timer.afterDelay(kKeepAlive).then([this, &follower] {
      auto said = follower.writing > 0 ? kj::Promise<void>(kj::READY_NOW) : follower.write(":\n\n");
      return said.then([this, &follower] { return keep_alive(follower); });
    });
  }

  static std::string random_name() {
    thread_local std::mt19937_64 engine{std::random_device{}()};
    return std::to_string(engine());
  }

  Edge& edge_;
  const NodeStatsSource& stats_;
  const kj::HttpHeaderTable& table_;
  kj::HttpHeaderId last_event_id_;
  bool last_ = false;
  kj::HttpServer server_;
};

}  // namespace

struct HttpFront::Parts {
  Parts(Edge& the_edge, const NodeStatsSource& source) : edge(the_edge), stats(source) {
    kj::HttpHeaderTable::Builder builder;
    last_event_id = builder.add("Last-Event-ID");
    table = builder.build();
    settings.headerTimeout = edge.edge_limits.request_within.count() * kj::MILLISECONDS;
    settings.pipelineTimeout = 60 * kj::SECONDS;
  }
  Edge& edge;
  const NodeStatsSource& stats;
  kj::HttpHeaderId last_event_id;
  kj::Own<kj::HttpHeaderTable> table;
  kj::HttpServerSettings settings;
};

HttpFront::HttpFront(Edge& edge, const NodeStatsSource& stats) : parts_(std::make_unique<Parts>(edge, stats)) {}
HttpFront::~HttpFront() = default;

kj::Promise<void> HttpFront::serve(kj::Own<kj::AsyncIoStream> stream) {
  auto service =
      kj::heap<Service>(parts_->edge, parts_->stats, *parts_->table, parts_->last_event_id, parts_->settings);
  auto served = service->serve(kj::mv(stream));
  return served.attach(kj::mv(service)).catch_([](kj::Exception&&) {});
}

}  // namespace carillon::actors
