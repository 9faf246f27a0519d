// `carillon inspect`: one entity from inside.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_inspect_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
