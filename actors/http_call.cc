#include "actors/http_call.h"

#include <strings.h>

#include "actors/answer_json.h"
#include "actors/wire_answers.h"
#include "runtime/json.h"

namespace carillon::actors {
namespace {

constexpr const char* kProblem = "application/problem+json";
constexpr std::size_t kBodyReadAtFirst = 4'096;

Error too_large(std::size_t bytes_max) {
  return {ErrorCode::PAYLOAD_TOO_LARGE, "the body may have at most " + std::to_string(bytes_max) + " bytes", 0};
}

std::string problem_details(HttpStatus status, const EdgeLimits& limits, const Error& error) {
  JsonWriter json;
  json.begin_object().field("type", "about:blank").field("title", status.text).field("status", status.code);
  json.field("error", name_of(error.code)).field("detail", error.message);
  write_hints(json, limits, error);
  return json.end_object().take() + "\n";
}

}  // namespace

HttpStatus status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::MALFORMED:
      return {400, "Bad Request"};
    case ErrorCode::UNAUTHENTICATED:
      return {401, "Unauthorized"};
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

bool is_about_http(const kj::Exception& exception) {
  return exception.getType() == kj::Exception::Type::FAILED &&
         std::string_view(exception.getFile()).ends_with("/http.c++");
}

HttpNames::HttpNames() {
  kj::HttpHeaderTable::Builder builder;
  allow = builder.add("Allow");
  authorization = builder.add("Authorization");
  etag = builder.add("ETag");
  idempotency_key = builder.add("Idempotency-Key");
  if_none_match = builder.add("If-None-Match");
  last_event_id = builder.add("Last-Event-ID");
  origin = builder.add("Origin");
  retry_after = builder.add("Retry-After");
  traceparent = builder.add("traceparent");
  websocket_protocol = builder.add("Sec-WebSocket-Protocol");
  www_authenticate = builder.add("WWW-Authenticate");
  table = builder.build();
}

std::string_view HttpCall::field(kj::HttpHeaderId id) const {
  KJ_IF_MAYBE (value, headers.get(id)) return {value->cStr(), value->size()};
  return {};
}

std::string_view HttpCall::bearer_token() const {
  constexpr std::string_view kScheme = "Bearer ";
  const auto field_value = field(names.authorization);
  if (field_value.size() < kScheme.size() || strncasecmp(field_value.data(), kScheme.data(), kScheme.size()) != 0)
    return {};
  return field_value.substr(kScheme.size());
}

kj::HttpHeaders HttpCall::answer_header(const char* content_type) const {
  kj::HttpHeaders header(*names.table);
  header.set(kj::HttpHeaderId::CONTENT_TYPE, content_type);
  header.add(kj::StringPtr("Cache-Control"), kj::StringPtr("no-store"));
  header.add(kj::StringPtr("X-Content-Type-Options"), kj::StringPtr("nosniff"));
  if (!page.empty()) {
    header.add(kj::str("Access-Control-Allow-Origin"), kj::str(page.c_str()));
    header.add(kj::StringPtr("Access-Control-Expose-Headers"), kj::StringPtr("ETag, Retry-After"));
    header.add(kj::StringPtr("Vary"), kj::StringPtr("Origin"));
  }
  return header;
}

kj::Promise<void> HttpCall::send(HttpStatus status, const char* content_type, std::string text,
                                 std::initializer_list<std::pair<kj::HttpHeaderId, std::string>> fields) {
  auto header = answer_header(content_type);
  for (const auto& [id, value] : fields) header.set(id, kj::str(value.c_str()));
  auto kept = kj::heap<std::string>(std::move(text));
  auto out = response.send(status.code, status.text, header, kept->size());
  if (kept->empty()) return kj::READY_NOW;
  auto written = out->write(kept->data(), kept->size());
  return written.attach(kj::mv(out), kj::mv(kept));
}

kj::Promise<void> HttpCall::send_json(std::string object) {
  return send(kHttpOk, "application/json", std::move(object) + "\n");
}

kj::Promise<void> HttpCall::refuse(const Error& error) {
  const auto wait = retry_after(edge.edge_limits, error);
  const auto text = problem_details(status_of(error.code), edge.edge_limits, error);
  if (error.code == ErrorCode::UNAUTHENTICATED)  // RFC 6750, section 3.
    return send(status_of(error.code), kProblem, text,
                {{names.www_authenticate, bearer_token().empty() ? "Bearer" : "Bearer error=\"invalid_token\""}});
  if (wait.count() == 0) return send(status_of(error.code), kProblem, text);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return send(status_of(error.code), kProblem, text, {{names.retry_after, std::to_string(seconds)}});
}

kj::Promise<void> HttpCall::refuse_method(const std::string& allowed) {
  constexpr HttpStatus kNotAllowed{405, "Method Not Allowed"};
  const Error error{ErrorCode::MALFORMED, "this path takes " + allowed, 0};
  return send(kNotAllowed, kProblem, problem_details(kNotAllowed, edge.edge_limits, error), {{names.allow, allowed}});
}

kj::Promise<Result<std::string>> HttpCall::read_body(std::size_t bytes_max) {
  using Body = Result<std::string>;
  const auto length = body.tryGetLength().orDefault(0);
  if (length > bytes_max) return Body(too_large(bytes_max));
  const auto within = edge.edge_limits.request_within;
  return edge.timer.timeoutAfter(within.count() * kj::MILLISECONDS, read_body_on(bytes_max))
      .catch_([this, within](kj::Exception&& failed) -> kj::Promise<Body> {
        const bool is_late = failed.getType() == kj::Exception::Type::OVERLOADED;
        const auto owed = std::chrono::ceil<std::chrono::milliseconds>(visit.owed());
        if (is_late && owed.count() > 0)  // It was we who held it back.
          return Body(Error{.code = ErrorCode::OVERLOADED,
                            .message = "more is being sent than may be in a second, on this connection and others",
                            .retry_after = owed});
        if (is_late)
          return Body(Error{ErrorCode::UNAVAILABLE,
                            "the body did not come within " + std::to_string(within.count()) + " ms", 0});
        if (is_about_http(failed))
          return Body(Error{ErrorCode::MALFORMED, "where the body ends cannot be understood", 0});
        return kj::mv(failed);
      })
      .attach(kj::defer([this] { (void)visit.keep(0); }));
}

kj::Promise<Result<std::string>> HttpCall::read_body_on(std::size_t bytes_max) {
  using Body = Result<std::string>;
  const auto had = body_read.size();
  if (had > bytes_max) return Body(too_large(bytes_max));
  const bool is_whole = body.tryGetLength().orDefault(1) == 0;
  if (!is_whole && !visit.keep(had))
    return Body(Error{.code = ErrorCode::OVERLOADED,
                      .message = "too much is being sent at once, on this connection and others",
                      .retry_after = edge.edge_limits.overloaded_retry});
  const auto room = std::min(std::max(had, kBodyReadAtFirst), bytes_max + 1 - had);
  body_read.resize(had + room);
  return body.tryRead(body_read.data() + had, 1, room)
      .then([this, bytes_max, had](std::size_t came) -> kj::Promise<Body> {
        body_read.resize(had + came);
        if (came == 0) return Body(std::move(body_read));
        return read_body_on(bytes_max);
      });
}

}  // namespace carillon::actors
