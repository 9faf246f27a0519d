// `carillon publish`: one event from the command line, or many as lines of JSON on stdin.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

void add_publish_command(CLI::App& app, Action& action);

}  // namespace carillon::cli
