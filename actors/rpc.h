// The native interface: serves wire::Gateway to one connection. Belongs to its gateway thread.
#pragma once

#include <kj/async-io.h>

#include "actors/edge.h"
#include "actors/node_stats.h"
#include "actors/visit.h"

namespace carillon::actors {

// Serves `stream` until the client goes away or says nothing useful. Never rejects. `visit` lives as long.
kj::Promise<void> serve_rpc(Edge& edge, const NodeStatsSource& stats, kj::Own<kj::AsyncIoStream> stream, Visit& visit);

}  // namespace carillon::actors
