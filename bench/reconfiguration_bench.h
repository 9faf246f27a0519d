// `carillon bench reconfiguration`: how fast publishing goes on while a cluster of three changes, and how long that takes.
//
// Question: does anybody who publishes at R events a second notice that a node is brought in sync, joins, or that etcd is away?
// Load: that of `bench failover`. Parts, each with a cluster of its own:
//   away       a node is killed, comes back when it has missed so many events, and is brought in sync from the log;
//   wiped      the same, with an empty disk: it is brought in sync by a copy of everything;
//   joining    a fourth node joins and is given its share of the copies;
//   etcd-down  etcd is away for so long; when it is back, a node is killed and replaced.
// Baseline: the first row of each, the same load while nothing happens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/result.h"

namespace carillon::bench {

enum class ReconfigurationPart { kAway, kWiped, kJoining, kEtcdDown };

struct ReconfigurationOptions {
  std::vector<ReconfigurationPart> parts = {ReconfigurationPart::kAway, ReconfigurationPart::kWiped,
                                            ReconfigurationPart::kJoining, ReconfigurationPart::kEtcdDown};
  std::uint64_t behind = 200'000;  // Events that a node misses.
  double etcd_down_s = 60;
  double rate = 5'000;
  std::uint32_t nodes = 3;
  std::uint16_t partitions = 16;
  bool json = false;
  std::string data = ".";  // Where everything is made, and removed at the end.
  std::string program = "/proc/self/exe";
  std::vector<std::string> serve_arguments;
};

// A time in which the cluster was in one state, and what its clients saw of it.
struct ReconfigurationPhase {
  std::string name;
  double seconds = 0;
  double events_per_s = 0, lowest_events_per_s = 0;  // Accepted; the lowest of any second.
  std::uint64_t unanswered = 0;                      // Publish calls that failed or were told to wait.
  double longest_silence_ms = 0;                     // Of all players.
};

struct ReconfigurationFigures {
  std::vector<ReconfigurationPhase> phases;
  std::uint64_t accepted = 0, lost = 0, doubled = 0, out_of_order = 0;
  std::size_t copies = 0, copies_moved = 0;  // Of partitions, after a node has joined.

  bool is_sound() const { return lost == 0 && doubled == 0 && out_of_order == 0; }
};

Result<ReconfigurationFigures> reconfigure(const ReconfigurationOptions& options, ReconfigurationPart part);

// All parts, printed as tables or as JSON objects; UNAVAILABLE when something was lost, doubled or out of order.
Result<void> run_reconfiguration(const ReconfigurationOptions& options);

}  // namespace carillon::bench
