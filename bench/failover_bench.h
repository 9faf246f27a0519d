// `carillon bench failover`: how long clients hear nothing when a node fails, and whether anything is lost, doubled or out of
// order. `carillon bench chaos`: the same for a random mix of everything that can happen, for minutes.
//
// Question: how long is the longest silence that any player hears in a fault, at R events a second?
// Load: the hunt job at a rate, K = 1, with a fourth of the events straight to players; producers and followers have all
// addresses, each begins at another node. A silence is the time between two notifications at one player; of each fault
// the longest one of all players counts.
// Baseline: the first row, the same load while nothing happens.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/faults.h"
#include "bench/job.h"
#include "messages/result.h"

namespace carillon::bench {

struct FailoverOptions {
  std::vector<Fault> faults;  // Each `times` times; empty: a random mix of all for `duration`.
  std::uint32_t times = 10;
  std::chrono::seconds duration{60};
  double rate = 5'000;
  std::uint32_t nodes = 3;
  std::uint16_t partitions = 8;
  std::uint64_t seed = 1;
  bool json = false;
  bool network = true;     // Chaos: with network namespaces and a small disk, where permitted.
  std::string data = ".";  // Where everything is made, and removed at the end.
  std::string program = "/proc/self/exe";
  std::vector<std::string> serve_arguments;
};

struct FailoverFigures {
  struct Cause {
    std::string name;
    std::uint32_t times = 0;
    double p50_ms = 0, p99_ms = 0, max_ms = 0;
  };
  std::vector<Cause> causes;  // The first is "nothing".
  std::uint64_t accepted = 0, delivered = 0, lost = 0, doubled = 0, out_of_order = 0;
  double events_per_s = 0;

  bool is_sound() const { return lost == 0 && doubled == 0 && out_of_order == 0; }
};

// Does it all and sums up. An error when the cluster did not start, or did not come back from a fault.
Result<FailoverFigures> fail_over(const FailoverOptions& options);

// The same, printed as a table or as JSON; UNAVAILABLE when something was lost, doubled or out of order.
Result<void> run_failover(const FailoverOptions& options);

// What is sent, by so many producers and to as many gateways.
JobConfig failover_job(double rate, std::uint32_t clients);

// Of all that were seen for one cause. Pure.
FailoverFigures::Cause summed_up(std::string name, std::vector<std::int64_t> silences_ns);

}  // namespace carillon::bench
