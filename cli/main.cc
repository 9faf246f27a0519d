// The `carillon` program: a list of behaviours and a list of commands.
#include <csignal>
#include <exception>
#include <string>

#include "actors/version.h"
#include "bench/hunt/hunt_behaviour.h"
#include "cli/bench_command.h"
#include "cli/cluster_command.h"
#include "cli/deadletters_command.h"
#include "cli/demo_command.h"
#include "cli/exit_code.h"
#include "cli/huge_pages.h"
#include "cli/inspect_command.h"
#include "cli/publish_command.h"
#include "cli/replay_command.h"
#include "cli/serve_command.h"
#include "cli/stats_command.h"
#include "cli/tail_command.h"
#include "cli/terminal.h"
#include "cli/token_command.h"
#include "cli/verify_command.h"
#include "cluster/handshake.h"
#include "examples/arena/arena.h"
#include "examples/hunt/hunt.h"
#include "runtime/store.h"

namespace carillon::cli {
namespace {

constexpr const char* kHelp = R"(Carillon: events that people wait for, durably, once, in order.)";

constexpr const char* kFooter = R"(Examples:
  carillon serve --data ./data                                a node on 127.0.0.1:7411
  carillon replay examples/arena/sample.log                   gives it something to do
  carillon tail player/Ada                                    follows a player's notifications
  carillon publish match/1 match_ended --producer me --sequence 1
  carillon inspect match/1                                    one hub from inside

Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 refused by the node (the code is printed), 4 no connection.
Each command has a --help of its own.)";

// Every behaviour that a node has installed.
Result<Catalogue> installed_behaviours() {
  Catalogue catalogue;
  Result<void> outcome;
  const auto add = [&](const Behaviour& behaviour) {
    if (outcome) outcome = catalogue.add(behaviour);
  };
  add(arena::match_behaviour());
  add(hunt::island_behaviour());
  add(bench::hunt_behaviour());
  if (!outcome) return outcome.error();
  return catalogue;
}

// Beside the program's version, those that decide which programs can work side by side.
std::string version_text() {
  return std::string(actors::kVersion) + "\nstore format " + std::to_string(runtime::Store::kFormatVersion) +
         "\nlinks between nodes " + std::to_string(cluster::kLinkVersion);
}

int run(int argc, char** argv) {
  const auto behaviours = installed_behaviours();
  if (!behaviours) {
    complain(behaviours.error().message);
    return kFailed;
  }
  CLI::App app{kHelp, "carillon"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text());

  Action action;
  add_serve_command(app, action, *behaviours);
  add_publish_command(app, action);
  add_tail_command(app, action);
  add_inspect_command(app, action);
  add_stats_command(app, action);
  add_deadletters_command(app, action);
  add_cluster_command(app, action);
  add_token_command(app, action);
  add_verify_command(app, action);
  add_replay_command(app, action);
  add_bench_command(app, action);
  add_demo_command(app, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;  // 0: help or version was asked for.
  }
  const int code = action();
  if (code != kOk || output_trouble().empty()) return code;
  complain("not all of the output could be written: " + output_trouble());
  return kFailed;
}

}  // namespace
}  // namespace carillon::cli

int main(int argc, char** argv) {
#ifdef CARILLON_TCMALLOC
  carillon::cli::take_memory_in_huge_pages();
#endif
  std::signal(SIGPIPE, SIG_IGN);  // A closed pipe or socket is an error to be handled, not the end.
  try {
    return carillon::cli::run(argc, argv);
  } catch (const std::exception& error) {
    carillon::cli::complain(error.what());
    return carillon::cli::kFailed;
  }
}
