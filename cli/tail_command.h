// `carillon tail`: prints a mailbox from one offset on, and then what comes.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_tail_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
