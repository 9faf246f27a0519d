// `carillon serve`: runs a node. The command line only; actors::serve does the work.
#pragma once

#include "cli/command.h"
#include "runtime/behaviour.h"

namespace carillon::cli {

// The node has the behaviours of `catalogue`.
void add_serve_command(CLI::App& app, Action& action, Catalogue catalogue);

}  // namespace carillon::cli
