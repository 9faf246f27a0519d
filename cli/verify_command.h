// `carillon verify`: reads a whole store that no node has open, and names what is broken.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_verify_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
