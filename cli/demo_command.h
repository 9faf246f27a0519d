// `carillon demo`: a node that may be killed by the press of a button, and the treasure hunt that shows what that costs.
//
// The node is a process of its own (`carillon serve`), which this one starts, and starts again whenever it ends. The button
// is here and not in the node: what a node can do is not to be ended from outside.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_demo_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
