// Settings of a command from a file: `--config FILE`, TOML as CLI11 reads it, a line `option = value` for each option of
// the command, by its name without the dashes. What stands on the command line counts more.
#pragma once

#include <CLI/CLI.hpp>

namespace carillon::cli {

// Before all other options of `command`: what the file says is put in when this one is met.
void add_config_option(CLI::App& command);

}  // namespace carillon::cli
