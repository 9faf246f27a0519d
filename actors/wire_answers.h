// Answers in the words of client.capnp: how what the node knows becomes the messages that every interface tells it with.
// Pure.
#pragma once

#include <messages/client.capnp.h>

#include <string>
#include <vector>

#include "actors/edge.h"
#include "actors/node_stats.h"
#include "actors/questions.h"
#include "runtime/partition.h"

namespace carillon::actors {

// How long a client should wait before it tries again; 0 when trying again is of no use.
std::chrono::milliseconds retry_after(const EdgeLimits& limits, const Error& error);

void write(wire::StoredEvent::Builder out, const Event& event);
void write(const EdgeLimits& limits, wire::Refusal::Builder out, std::uint32_t index, const Error& error);
void write(const EdgeLimits& limits, capnp::List<wire::Refusal>::Builder out,
           const std::vector<runtime::ItemRefusal>& refusals);
void write(wire::Inspection::Builder out, const EntityInspection& inspection);
void write(wire::DeadLetter::Builder out, const runtime::DeadLetterEntry& entry);
void write(wire::Stats::Builder out, const NodeStats& node);
// Only with `stats.cluster`.
void write_cluster(wire::Cluster::Builder out, const NodeStats& stats);

}  // namespace carillon::actors
