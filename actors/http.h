// The HTTP side, the least that a person needs to look at a node (KJ's HTTP library). Belongs to the gateway's thread.
//
//   GET  /streams/KIND/KEY?from=N          server-sent events; `Last-Event-ID` resumes after the event it names
//   POST /events/KIND/KEY?type=T           the body is the payload; with &producer=P&sequence=N published exactly once
//   GET  /healthz  /readyz  /metrics
//
// Errors are JSON: {"error": CODE, "message": SENTENCE}, with the names of the closed list.
#pragma once

#include <kj/compat/http.h>

#include <memory>

#include "actors/edge.h"
#include "actors/node_stats.h"

namespace carillon::actors {

class HttpFront {
 public:
  HttpFront(Edge& edge, const NodeStatsSource& stats);
  ~HttpFront();

  // Serves one connection until it ends. Never rejects.
  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace carillon::actors
