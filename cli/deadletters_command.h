// `carillon deadletters`: looks at events that their hub could not handle, and settles them (P6).
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_deadletters_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
