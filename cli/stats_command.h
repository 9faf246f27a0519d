// `carillon stats`: what a node has done since it started, and where the time goes.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_stats_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
