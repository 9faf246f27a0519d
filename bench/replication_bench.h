// `carillon bench replication`: what copies cost.
//
// Question: how much slower are three nodes with two and three replicas than one node, and where does the time go?
// Load: the hunt job, K = 1, closed loop and at rates, over one node without a cluster and over three nodes of one machine. All nodes share
// its processors and its disk, so a copy costs here what it would cost all machines of a cluster together.
// Baseline: the rows of one node. For a broker that replicates: bench/rabbitmq_quorum.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/row.h"
#include "messages/result.h"

namespace carillon::bench {

struct ReplicationOptions {
  std::vector<double> rates = {100, 1'000};  // Events per second, besides the closed loop.
  std::uint32_t turns = 3;                   // Of all; medians are printed.
  double seconds = 10, warmup_s = 3;
  std::uint16_t partitions = 8;
  bool json = false;  // A row for each run, with what is printed here in a table.
  std::string data = ".";
  std::string program = "/proc/self/exe";
  std::vector<std::string> serve_arguments;
};

struct ReplicationRun {
  Row row;
  // For each accepted event, all nodes together, warm-up included.
  double node_cpu_us = 0, node_system_us = 0, client_cpu_us = 0, node_context_switches = 0;
  // Medians of the node's stages; of three nodes the highest.
  double sync_p50_ms = 0, commit_p50_ms = 0, publish_p50_ms = 0;
};

Result<void> run_replication(const ReplicationOptions& options);

}  // namespace carillon::bench
