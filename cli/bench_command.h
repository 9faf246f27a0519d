// `carillon bench`: measures this machine's disk, or a node on it. The command line only; bench/ does the work.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_bench_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
