// A node's figures in Prometheus' text format (prometheus-cpp serializes them).
#pragma once

#include <string>

#include "actors/node_stats.h"

namespace carillon::actors {

std::string to_prometheus(const NodeStats& stats);

}  // namespace carillon::actors
