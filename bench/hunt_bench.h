// `carillon bench hunt`: the job that the brokers do in ../shared/peerbench, done by Carillon, in the same row format.
//
// Question: how many events a second, and how long from an event to its notification, with everything synced before it is confirmed?
// Load and fields: ../shared/peerbench/README.md; clients use the RPC gateway of a node in a process of its own.
// Baseline: peerbench's rows and `bench floor` of the same machine and hour.
#pragma once

#include <string>
#include <vector>

#include "bench/job.h"
#include "messages/result.h"

namespace carillon::bench {

struct HuntOptions {
  JobConfig job;
  double seconds = 10, warmup_s = 3;
  std::uint32_t producer_threads = 1, gateway_threads = 1;
  std::string data = ".";                    // The node's data directory is made in it, and removed.
  std::string connect;                       // HOST:PORT[,…] of what runs already; empty: start a node.
  std::vector<std::string> serve_arguments;  // More for the node that is started.
};

// Prints one row.
Result<void> run_hunt(const HuntOptions& options);

}  // namespace carillon::bench
