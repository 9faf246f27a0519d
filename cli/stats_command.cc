#include "cli/stats_command.h"

#include "actors/answer_json.h"
#include "cli/node_call.h"
#include "cli/report.h"
#include "cli/terminal.h"

namespace carillon::cli {
namespace {

struct Options {
  NodeOptions node;
  bool json = false;
};

int run(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  auto answer = session.stats();
  if (!answer) return complain_of(session, answer.error());
  const auto stats = answer->getStats();
  (void)(options.json ? print_line(actors::stats_json(stats)) : print(stats_text(stats, colours_for_stdout())));
  return kOk;
}

}  // namespace

void add_stats_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("stats", "what the node has done, and where the time goes");
  command.add_flag("--json", options->json, "print one JSON object");
  add_connect_option(command, options->node);
  add_examples(command, "  carillon stats\n  carillon stats --json --connect 127.0.0.1:7411\n");
  run_with(command, action, std::move(options), &run);
}

}  // namespace carillon::cli
