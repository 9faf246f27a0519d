#include "actors/http.h"

#include <kj/debug.h>
#include <spdlog/spdlog.h>
#include <strings.h>

#include <array>
#include <string_view>

#include "actors/http_call.h"
#include "actors/http_cors.h"
#include "actors/http_follow.h"
#include "actors/http_operations.h"
#include "actors/http_page.h"
#include "actors/http_positions.h"
#include "actors/http_publish.h"
#include "actors/log_pause.h"
#include "actors/pages.h"
#include "actors/websocket.h"

namespace carillon::actors {
namespace {

using Method = kj::HttpMethod;

enum class Of { kNode, kEntity };

// What whoever asks must show. Rights to an entity are asked for where the entity is known; a WebSocket looks at its token itself,
// and tells of it, and of limits, by the code of a close.
enum class Needs { kNothing, kToken, kOperator, kLooksItself };

struct Route {
  std::string_view what;  // The first part of the path.
  Of of;                  // Whether KIND/KEY follows.
  Method method;
  Needs needs;
  kj::Promise<void> (*answer)(HttpCall& call, const NodeStatsSource& stats);
};

template <kj::Promise<void> (*answer)(HttpCall&)>
kj::Promise<void> without_stats(HttpCall& call, const NodeStatsSource&) {
  return answer(call);
}

constexpr std::array kRoutes = {
    Route{"healthz", Of::kNode, Method::GET, Needs::kNothing, &send_health},
    Route{"readyz", Of::kNode, Method::GET, Needs::kNothing, &send_readiness},
    Route{"metrics", Of::kNode, Method::GET, Needs::kNothing, &send_metrics},
    Route{"stats", Of::kNode, Method::GET, Needs::kOperator, &send_stats},
    Route{"cluster", Of::kNode, Method::GET, Needs::kOperator, &send_cluster},
    Route{"ws", Of::kNode, Method::GET, Needs::kLooksItself, &without_stats<serve_websocket>},
    Route{"events", Of::kNode, Method::POST, Needs::kToken, &without_stats<publish_batch>},
    Route{"events", Of::kEntity, Method::POST, Needs::kToken, &without_stats<publish_payload>},
    Route{"events", Of::kEntity, Method::GET, Needs::kToken, &without_stats<send_page>},
    Route{"streams", Of::kEntity, Method::GET, Needs::kToken, &without_stats<follow_entity>},
    Route{"positions", Of::kEntity, Method::GET, Needs::kToken, &without_stats<send_positions>},
    Route{"positions", Of::kEntity, Method::PUT, Needs::kToken, &without_stats<store_position>},
    Route{"entities", Of::kEntity, Method::GET, Needs::kOperator, &without_stats<send_inspection>},
    Route{"deadletters", Of::kNode, Method::GET, Needs::kOperator, &without_stats<send_dead_letters>},
    Route{"deadletters", Of::kEntity, Method::GET, Needs::kOperator, &without_stats<send_dead_letters>},
    Route{"deadletters", Of::kEntity, Method::POST, Needs::kOperator, &without_stats<redrive_dead_letter>},
    Route{"deadletters", Of::kEntity, Method::DELETE, Needs::kOperator, &without_stats<discard_dead_letter>},
};

// Whether the client asked that the connection be closed after the answer (RFC 9112, section 9.6).
bool is_last(const kj::HttpHeaders& headers) {
  KJ_IF_MAYBE (connection, headers.get(kj::HttpHeaderId::CONNECTION))
    return strcasecmp(connection->cStr(), "close") == 0;
  return false;
}

// Whether the header says in one way only where the body ends (RFC 9112, section 6.3): a proxy in front that understands it in
// another way would take part of the body for another request, or let one pass that it has not seen.
Result<void> check_framing(const HttpCall& call) {
  KJ_IF_MAYBE (length, call.headers.get(kj::HttpHeaderId::CONTENT_LENGTH)) {
    if (call.headers.get(kj::HttpHeaderId::TRANSFER_ENCODING) != nullptr)
      return Error{ErrorCode::MALFORMED, "a request has a Content-Length or a Transfer-Encoding, not both", 0};
    if (std::string_view(length->cStr()).find_first_not_of("0123456789") != std::string_view::npos)
      return Error{ErrorCode::MALFORMED, "the Content-Length is not a number", 0};
  }
  return {};
}

Result<void> check(const HttpCall& call, Needs needs) {
  switch (needs) {
    case Needs::kNothing:
    case Needs::kLooksItself:
      return {};
    case Needs::kToken:
      return call.rights.check_authenticated();
    case Needs::kOperator:
      return call.rights.check_operate();
  }
  return {};
}

kj::Promise<void> route(HttpCall& call, const NodeStatsSource& stats) {
  const bool of_entity = call.target.names_entity();
  if (!of_entity && call.target.path.size() > 1)
    return call.refuse({ErrorCode::NOT_FOUND, "a KIND/KEY has to follow; docs/protocol.md has the requests", 0});
  std::string allowed;
  for (const auto& route : kRoutes) {
    if (route.what != call.target.path[0] || (route.of == Of::kEntity) != of_entity) continue;
    if (route.method == call.method) {
      if (route.needs == Needs::kLooksItself) return route.answer(call, stats);
      auto admitted = call.edge.admit(call.bearer_token());
      if (admitted)
        call.rights = std::move(*admitted);
      else if (!call.bearer_token().empty())
        call.token_refused = admitted.error();
      if (const auto entered = call.visit.enter(call.rights); !entered) return call.refuse(entered.error());
      if (const auto refusal = call.visit.request()) return call.refuse(*refusal);
      if (!admitted && route.needs != Needs::kNothing) return call.refuse(admitted.error());
      const auto checked = check(call, route.needs);
      return checked ? route.answer(call, stats) : call.refuse(checked.error());
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(kj::str(route.method).cStr());
  }
  if (allowed.empty())
    return call.refuse({ErrorCode::NOT_FOUND, "there is nothing of this name; docs/protocol.md has the requests", 0});
  return call.refuse_method(allowed);
}

// What KJ says of requests that never come to a Service, and of our own mistakes: without details, which are nobody's
// business. Where a mistake was made is in the log; what it was about may be what somebody sent.
class Complaints final : public kj::HttpServerErrorHandler {
 public:
  explicit Complaints(const kj::HttpHeaderTable& table) : table_(table) {}

  kj::Promise<void> handleApplicationError(kj::Exception exception,
                                           kj::Maybe<kj::HttpService::Response&> response) override {
    KJ_IF_MAYBE (open, response) {
      if (exception.getType() == kj::Exception::Type::DISCONNECTED) return kj::READY_NOW;
      const auto status = is_about_http(exception) ? status_of(ErrorCode::MALFORMED) : kBroken;
      if (status.code == kBroken.code) log_mistake(exception);
      (void)open->send(status.code, status.text, kj::HttpHeaders(table_), std::uint64_t{0});
    }
    return kj::READY_NOW;
  }

 private:
  static constexpr HttpStatus kBroken{500, "Internal Server Error"};

  void log_mistake(const kj::Exception& exception) {
    if (const auto unlogged = mistakes_named_.next(Clock::now()))
      spdlog::error("a request met a bug, at {}:{}; {} more before it, not logged", exception.getFile(),
                    exception.getLine(), *unlogged);
  }

  const kj::HttpHeaderTable& table_;
  LogPause mistakes_named_;  // In the log.
};

class Service final : public kj::HttpService {
 public:
  Service(Edge& edge, const NodeStatsSource& stats, const HttpNames& names, Visit& visit,
          kj::HttpServerSettings settings)
      : edge_(edge), stats_(stats), names_(names), visit_(visit), server_(edge.timer, *names.table, *this, settings) {}

  // The requests of one connection, until it ends.
  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream) {
    auto guarded = kj::heap<GuardedStream>(kj::mv(stream), visit_);
    stream_ = guarded.get();
    return server_.listenHttp(kj::mv(guarded));
  }

  kj::Promise<void> request(Method method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override {
    stream_->request_begun();
    if (over_) return nothing_more();
    if (!last_ && is_last(headers)) {
      last_ = true;
      (void)server_.drain();  // Says so in the answer, and closes after it.
    }
    auto target = HttpTarget::parse({url.cStr(), url.size()});
    auto call = kj::heap<HttpCall>(HttpCall{edge_, names_, method, {}, headers, body, response, *stream_, visit_});
    auto& answered = *call;
    if (const auto framed = check_framing(answered); !framed) {
      over_ = true;
      return answered.refuse(framed.error()).attach(kj::mv(call)).then([] { return nothing_more(); });
    }
    if (!target) return answered.refuse({ErrorCode::MALFORMED, "this URL names nothing", 0}).attach(kj::mv(call));
    answered.target = std::move(*target);
    if (const auto* page = gateway_page(method, answered.target.path))  // Everybody may see it.
      return send_web_page(*page, method, headers, *names_.table, response).attach(kj::mv(call));
    // A WebSocket tells its page itself, by the code with which it is closed.
    if (const auto judged = judge_page(answered); !judged && !headers.isWebSocket())
      return answered.refuse(judged.error()).attach(kj::mv(call));
    if (method == Method::OPTIONS) return answer_preflight(answered).attach(kj::mv(call));
    return route(answered, stats_).attach(kj::mv(call));
  }

 private:
  // Ends the connection, where a drain would still answer what has come.
  static kj::Promise<void> nothing_more() { return KJ_EXCEPTION(DISCONNECTED, "what follows is not looked at"); }

  Edge& edge_;
  const NodeStatsSource& stats_;
  const HttpNames& names_;
  Visit& visit_;
  GuardedStream* stream_ = nullptr;
  bool last_ = false;  // The client wants no more answers.
  bool over_ = false;  // Nobody knows where the next request begins.
  kj::HttpServer server_;
};

}  // namespace

struct HttpFront::Parts {
  Parts(Edge& the_edge, const NodeStatsSource& source) : edge(the_edge), stats(source) {
    settings.headerTimeout = edge.edge_limits.request_within.count() * kj::MILLISECONDS;
    settings.pipelineTimeout = 60 * kj::SECONDS;
    settings.errorHandler = complaints;
  }
  Edge& edge;
  const NodeStatsSource& stats;
  HttpNames names;
  Complaints complaints{*names.table};
  kj::HttpServerSettings settings;
};

HttpFront::HttpFront(Edge& edge, const NodeStatsSource& stats) : parts_(std::make_unique<Parts>(edge, stats)) {}
HttpFront::~HttpFront() = default;

kj::Promise<void> HttpFront::serve(kj::Own<kj::AsyncIoStream> stream, Visit& visit) {
  auto service = kj::heap<Service>(parts_->edge, parts_->stats, parts_->names, visit, parts_->settings);
  auto served = service->serve(kj::mv(stream));
  return served.attach(kj::mv(service)).catch_([](kj::Exception&&) {});
}

}  // namespace carillon::actors
