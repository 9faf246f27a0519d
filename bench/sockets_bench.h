// `carillon bench sockets`: what WebSockets cost, and what they cost others.
//
// Questions, one part each: `idle`: the node's memory per WebSocket and per native session, each following a stream of its own.
// `broadcast`: how long until an event to one hub, which notifies all players at once, is read from the first, the median and
// the last of their sockets. `latency`: the hunt job (job.h) over WebSockets and over native RPC, in turns.
// `readers`: what readers that are slow or have stopped do to the latency of the others, and to the node's memory.
// Each part has nodes of its own. Clients and node share the machine: what reading 10,000 sockets costs is in the figures.
// Baseline: another server that speaks as much of docs/protocol.md as this needs, measured by the same client in turns with Carillon
// (all parts but `readers`, which need history). bench/node_ws is one with nothing durable behind it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages/result.h"

namespace carillon::bench {

enum class SocketsPart { kIdle, kBroadcast, kLatency, kReaders };

struct SocketsOptions {
  std::vector<SocketsPart> parts;            // Empty: all.
  std::optional<std::uint32_t> connections;  // Idle. Else 20,000, or as many as the files that may be open permit.
  std::uint32_t audience = 10'000;           // Of a broadcast; connected by WebSockets.
  std::uint32_t rounds = 11;                 // Broadcasts.
  std::uint32_t turns = 3;  // Of the latency part; with two servers the rounds are shared out to so many turns, too.
  double rate = 1'000;      // Events per second of the parts latency and readers.
  std::uint32_t stopped = 1'000;  // Readers that have stopped.
  double seconds = 6, warmup_s = 2;
  bool json = false;
  std::string data = ".";
  std::vector<std::string> serve_arguments;
  std::string against;  // A program: started as `carillon` is, it writes the same ready file. Empty: Carillon alone.
};

// How many connections a node can have where a process may open so many files, beside what it keeps for its store.
std::uint32_t connections_within(std::uint64_t open_files);

// Prints tables, or one JSON object for each part and server.
Result<void> run_sockets(const SocketsOptions& options);

}  // namespace carillon::bench
