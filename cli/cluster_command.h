// `carillon cluster`: how the nodes of a cluster stand (status), what changes (watch), emptying one of them (drain),
// and what to do when all good copies of a partition are lost (recover-partition, recover_command.h).
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_cluster_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
