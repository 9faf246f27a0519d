// `carillon cluster`: how the nodes of a cluster stand (status), what changes (watch), and emptying one of them (drain).
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_cluster_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
