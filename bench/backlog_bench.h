// `carillon bench backlog`: does one hub's backlog slow the others?
//
// Question: p50 and p99 of the hunt job on all other hubs, with and without one hub that has a long backlog.
// Load: the hunt job at a fixed rate on 63 hubs; beside it hunt/63 with a million `burden` events, each so much work that
// the backlog outlasts the measurement. Baseline: the same without the backlog, on a new node, right before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/job.h"
#include "messages/result.h"

namespace carillon::bench {

struct BacklogOptions {
  std::uint64_t events = 1'000'000;
  std::uint32_t spin_us = 50;  // Of work for each.
  double rate = 1'000;
  double seconds = 10, warmup_s = 3;
  std::string data = ".";
  std::vector<std::string> serve_arguments;
};

// Prints one JSON object.
Result<void> run_backlog(const BacklogOptions& options);

}  // namespace carillon::bench
