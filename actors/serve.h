// Runs a node with its gateway until SIGTERM or SIGINT: what `carillon serve` does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "actors/access_options.h"
#include "actors/cluster_node.h"
#include "actors/edge.h"
#include "runtime/behaviour.h"
#include "runtime/limits.h"
#include "runtime/retention.h"

namespace carillon::actors {

// Unless a number is given.
constexpr std::size_t kGatewayThreadsMax = 8;

struct ServeOptions {
  std::filesystem::path data;
  std::string listen = "127.0.0.1:7411";
  std::string http = "127.0.0.1:7480";
  std::size_t worker_threads = 0;            // Of partitions and hubs; 0: one for each processor.
  std::size_t gateway_threads = 0;           // Of connections; likewise, at most kGatewayThreadsMax.
  std::vector<std::string> allowed_origins;  // Of pages, as parse_origin gives them.
  std::filesystem::path ready_file;          // Empty: none. Written when ready: {"rpc": HOST:PORT, "http": HOST:PORT}.
  std::uint16_t partitions = 8;
  runtime::Limits limits;
  runtime::RetentionTable retention;
  EdgeLimits edge_limits;
  AccessOptions access;
  Catalogue catalogue;
  std::optional<ClusterOptions> cluster;  // Nothing: one node alone.
};

// The exit code: 0 after a stop, 1 when the node cannot start now, 2 when it never could with these settings.
int serve(const ServeOptions& options);

}  // namespace carillon::actors
