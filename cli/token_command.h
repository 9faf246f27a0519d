// `carillon token`: makes tokens, and shows what is in one.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_token_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
