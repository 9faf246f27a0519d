// One HTTP request on its way to its answer: what was asked, and how answers are written. Belongs to its gateway thread.
#pragma once

#include <kj/compat/http.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "access/rights.h"
#include "actors/edge.h"
#include "actors/guarded_stream.h"
#include "actors/http_target.h"
#include "actors/visit.h"

namespace carillon::actors {

struct HttpStatus {
  unsigned code;
  const char* text;
};
inline constexpr HttpStatus kHttpOk{200, "OK"};

// RFC 9110, section 15.
HttpStatus status_of(ErrorCode code);

// Whether KJ's HTTP library complains: about what the client sent, where its limits and our own code are no matter.
bool is_about_http(const kj::Exception& exception);

// The header fields that we read or write and KJ does not know.
struct HttpNames {
  HttpNames();
  kj::HttpHeaderId allow, authorization, etag, idempotency_key, if_none_match, last_event_id, origin, retry_after,
      traceparent, websocket_protocol, www_authenticate;
  kj::Own<kj::HttpHeaderTable> table;
};

// Lives until its answer is written. What it refers to belongs to KJ's request and lives as long.
struct HttpCall {
  Edge& edge;
  const HttpNames& names;
  kj::HttpMethod method;
  HttpTarget target;
  const kj::HttpHeaders& headers;
  kj::AsyncInputStream& body;
  kj::HttpService::Response& response;
  GuardedStream& stream;       // The connection's.
  Visit& visit;                // As well.
  std::string page = {};       // The origin of the page that sent it, if it is to be named in the answer.
  access::Rights rights = {};  // Of whoever asks: nothing without a good token, where one is needed.
  std::optional<Error> token_refused = {};
  std::string body_read = {};  // As far as it has come.

  // What follows `Bearer` in the field Authorization; empty when there is nothing of the kind.
  std::string_view bearer_token() const;
  // Empty when the request has no such field.
  std::string_view field(kj::HttpHeaderId id) const;

  // The header that every answer has.
  kj::HttpHeaders answer_header(const char* content_type) const;
  kj::Promise<void> send(HttpStatus status, const char* content_type, std::string text,
                         std::initializer_list<std::pair<kj::HttpHeaderId, std::string>> fields = {});
  kj::Promise<void> send_json(std::string object);
  // As problem details (RFC 9457).
  kj::Promise<void> refuse(const Error& error);
  // The path has other methods, `allowed`: a list for the field of that name (RFC 9110, section 15.5.6).
  kj::Promise<void> refuse_method(const std::string& allowed);

  // The whole body. UNAVAILABLE when it does not come in time, OVERLOADED when too many are being received, PAYLOAD_TOO_LARGE when
  // it has more than `bytes_max`. Once.
  kj::Promise<Result<std::string>> read_body(std::size_t bytes_max);

  kj::Promise<Result<std::string>> read_body_on(std::size_t bytes_max);
};

}  // namespace carillon::actors
