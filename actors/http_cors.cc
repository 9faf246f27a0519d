#include "actors/http_cors.h"

namespace carillon::actors {

Result<void> judge_page(HttpCall& call) {
  const auto origin = call.field(call.names.origin);
  const auto visitor = judge_visitor(call.edge.origins, origin, call.field(kj::HttpHeaderId::HOST));
  if (!visitor) return visitor.error();
  if (*visitor == Visitor::kAllowed) call.page = origin;
  return {};
}

kj::Promise<void> answer_preflight(HttpCall& call) {
  auto header = call.answer_header("text/plain");
  header.add(kj::StringPtr("Access-Control-Allow-Methods"), kj::StringPtr("GET, POST, PUT, DELETE"));
  header.add(kj::StringPtr("Access-Control-Allow-Headers"),
             kj::StringPtr("Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, traceparent"));
  header.add(kj::StringPtr("Access-Control-Max-Age"), kj::StringPtr("600"));
  call.response.send(204, "No Content", header, std::uint64_t{0});
  return kj::READY_NOW;
}

}  // namespace carillon::actors
