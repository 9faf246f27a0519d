// `carillon bench streams`: many player streams on one node.
//
// Question: what do a million streams cost: to build, to restart, to keep in memory, to read from cold?
// Load: producers publish straight to the streams, round by round, so that each stream's notifications lie far apart;
// then the node is stopped and started on the same data, and random streams' tails are read, one after the other.
// "Cold" means after that restart: the node's caches are empty, the kernel's page cache is not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "messages/result.h"

namespace carillon::bench {

struct StreamsOptions {
  std::uint64_t streams = 1'000'000;
  std::uint32_t notifications = 10;  // In each.
  std::uint32_t producers = 4;
  std::uint32_t reads = 2'000;
  std::string data = ".";
  std::vector<std::string> serve_arguments;
};

// Prints one JSON object.
Result<void> run_streams(const StreamsOptions& options);

}  // namespace carillon::bench
