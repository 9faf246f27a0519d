#include "cli/deadletters_command.h"

#include <optional>

#include "actors/answer_json.h"
#include "cli/node_call.h"
#include "cli/pretty_json.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "runtime/json.h"

namespace carillon::cli {
namespace {

struct Options {
  NodeOptions node;
  std::string entity;
  Offset offset = 0;
  bool json = false;
};

int list(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  auto answer = session.dead_letters(options.entity);
  if (!answer) return complain_of(session, answer.error());
  const Colours colours = colours_for_stdout();
  for (const auto letter : answer->getDeadLetters())
    if (!(options.json ? print_line(actors::dead_letter_json(letter)) : print(dead_letter_text(letter, colours))))
      return kOk;
  if (answer->getMore()) say("There are more; settle some of these, or name an entity.");
  if (options.json) return kOk;
  if (answer->getDeadLetters().size() == 0)
    say("No dead letters.");
  else
    say("Next: carillon deadletters show KIND/KEY OFFSET, then redrive or discard it.");
  return kOk;
}

int show(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  auto answer = session.dead_letters(options.entity);
  if (!answer) return complain_of(session, answer.error());
  for (const auto letter : answer->getDeadLetters()) {
    if (letter.getOffset() != options.offset || view(letter.getEntity()) != options.entity) continue;
    (void)(options.json ? print_line(actors::dead_letter_json(letter))
                        : print(dead_letter_text(letter, colours_for_stdout()) +
                                pretty_json(view(letter.getEvent().getPayload()), 2) + "\n"));
    return kOk;
  }
  if (answer->getMore())
    return complain_of_refusal(
        {ErrorCode::LIMIT_EXCEEDED, "it is not among the first " + std::to_string(answer->getDeadLetters().size()) +
                                        " dead letters of " + options.entity +
                                        "; settle some of these, or redrive or discard it unseen"});
  return complain_of_refusal({ErrorCode::NOT_FOUND, "no dead letter of " + options.entity + " at offset " +
                                                        std::to_string(options.offset) +
                                                        "; see carillon deadletters list"});
}

int redrive(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  auto answer = session.redrive(options.entity, options.offset);
  if (!answer) return complain_of(session, answer.error());
  const Offset offset = answer->getNewOffset();
  if (options.json)
    (void)print_line(JsonWriter().begin_object().field("new_offset", offset).end_object().take());
  else
    (void)print_line("Redriven as offset " + std::to_string(offset) + " of " + options.entity + ".");
  return kOk;
}

int discard(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  if (auto answer = session.discard(options.entity, options.offset); !answer)
    return complain_of(session, answer.error());
  if (options.json)
    (void)print_line(JsonWriter().begin_object().field("discarded", options.offset).end_object().take());
  else
    (void)print_line("Discarded; the event stays in the mailbox of " + options.entity + ", skipped for ever.");
  return kOk;
}

}  // namespace

void add_deadletters_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("deadletters", "events that their hub could not handle: look, settle");
  command.require_subcommand(1);
  add_examples(command,
               "  carillon deadletters list\n"
               "  carillon deadletters show match/2 17\n"
               "  carillon deadletters redrive match/2 17     after the behaviour was mended\n"
               "  carillon deadletters discard match/2 17\n");
  const auto add = [&](const char* name, const char* help, bool one, int (*run)(const Options&)) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *command.add_subcommand(name, help);
    verb.add_option("entity", options->entity, one ? "the hub" : "only this hub's")
        ->required(one)
        ->type_name("KIND/KEY");
    if (one) verb.add_option("offset", options->offset, "its offset there")->required()->type_name("OFFSET");
    verb.add_flag("--json", options->json, "print one JSON object a line");
    add_connect_option(verb, options->node);
    run_with(verb, action, std::move(options), run);
  };
  add("list", "every dead letter of the node, or of one hub", false, &list);
  add("show", "one dead letter with its payload", true, &show);
  add("redrive", "append it again as a new event, once", true, &redrive);
  add("discard", "forget it as a dead letter", true, &discard);
}

}  // namespace carillon::cli
