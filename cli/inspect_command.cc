#include "cli/inspect_command.h"

#include "actors/answer_json.h"
#include "cli/node_call.h"
#include "cli/report.h"
#include "cli/terminal.h"

namespace carillon::cli {
namespace {

struct Options {
  NodeOptions node;
  std::string entity;
  bool json = false;
};

int run(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  auto answer = session.inspect(options.entity);
  if (!answer) return complain_of(session, answer.error());
  const auto inspection = answer->getInspection();
  (void)(options.json ? print_line(actors::inspection_json(options.entity, inspection))
                      : print(inspection_text(options.entity, inspection, colours_for_stdout())));
  return kOk;
}

}  // namespace

void add_inspect_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("inspect", "one entity from inside: state, mailbox, cursor, dead letters");
  command.add_option("entity", options->entity, "a hub or a player stream")->required()->type_name("KIND/KEY");
  command.add_flag("--json", options->json, "print one JSON object");
  add_connect_option(command, options->node);
  add_examples(command,
               "  carillon inspect match/2\n"
               "  carillon inspect match/2 --json | python3 -m json.tool\n");
  run_with(command, action, std::move(options), &run);
}

}  // namespace carillon::cli
