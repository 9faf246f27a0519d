// The HTTP side of a gateway (KJ's HTTP library): which request is answered by whom. docs/protocol.md has the requests.
// Belongs to its gateway thread.
#pragma once

#include <kj/async-io.h>

#include <memory>

#include "actors/edge.h"
#include "actors/node_stats.h"
#include "actors/visit.h"

namespace carillon::actors {

class HttpFront {
 public:
  HttpFront(Edge& edge, const NodeStatsSource& stats);
  ~HttpFront();

  // Serves one connection until it ends. Never rejects. `visit` lives as long.
  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream, Visit& visit);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace carillon::actors
