// `carillon replay`: publishes the log of a Quake III server, exactly once however often it is replayed (P2).
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_replay_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
