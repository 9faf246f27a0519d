// What an operator asks a node over HTTP: health, metrics, figures, the cluster, entities from inside, dead letters.
// Belongs to its gateway thread.
#pragma once

#include "actors/http_call.h"
#include "actors/node_stats.h"

namespace carillon::actors {

// Each answers `call`; `call` and `stats` must outlive the promise.
kj::Promise<void> send_health(HttpCall& call, const NodeStatsSource& stats);  // /healthz: is it alive?
kj::Promise<void> send_readiness(HttpCall& call,
                                 const NodeStatsSource& stats);  // /readyz: should clients be sent to it?
kj::Promise<void> send_metrics(HttpCall& call, const NodeStatsSource& stats);
kj::Promise<void> send_stats(HttpCall& call, const NodeStatsSource& stats);
kj::Promise<void> send_cluster(HttpCall& call, const NodeStatsSource& stats);
kj::Promise<void> send_inspection(HttpCall& call);
kj::Promise<void> send_dead_letters(HttpCall& call);
kj::Promise<void> redrive_dead_letter(HttpCall& call);
kj::Promise<void> discard_dead_letter(HttpCall& call);

}  // namespace carillon::actors
