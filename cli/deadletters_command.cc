#include "cli/deadletters_command.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "actors/answer_json.h"
#include "cli/node_call.h"
#include "cli/pretty_json.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "runtime/json.h"

namespace carillon::cli {
namespace {

constexpr std::chrono::milliseconds kOverloadedPause{100};
constexpr std::chrono::seconds kPatience{30};

struct Options {
  NodeOptions node;
  std::string entity;
  Offset offset = 0;
  bool all = false, json = false;
};

void tell_of_absent(const Options& options, capnp::List<std::uint16_t>::Reader partitions) {
  JsonWriter json;
  std::string named;
  json.begin_object().key("absent_partitions").begin_array();
  for (const auto partition : partitions) {
    json.value(partition);
    named += (named.empty() ? "" : ", ") + std::to_string(partition);
  }
  if (options.json) (void)print_line(json.end_array().end_object().take());
  complain("these are not all: partitions that do not answer or cannot be read now: " + named +
           "; see /healthz of the node, or carillon cluster status");
}

int list(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  auto answer = session.dead_letters(options.entity);
  if (!answer) return complain_of(session, answer.error());
  const Colours colours = colours_for_stdout();
  for (const auto letter : answer->getDeadLetters())
    if (!(options.json ? print_line(actors::dead_letter_json(letter)) : print(dead_letter_text(letter, colours))))
      return kOk;
  if (answer->getMore()) {
    say("There are more; settle some of these, or name an entity.");
    if (options.json) (void)print_line(JsonWriter().begin_object().field("more", true).end_object().take());
  }
  const auto absent = answer->getAbsentPartitions();
  const bool all_answered = absent.size() == 0;
  if (!all_answered) tell_of_absent(options, absent);
  if (!options.json) {
    if (answer->getDeadLetters().size() > 0)
      say("Next: carillon deadletters show KIND/KEY OFFSET, then redrive or discard it.");
    else
      say(all_answered ? "No dead letters." : "No dead letters elsewhere.");
  }
  return all_answered ? kOk : kRefused;
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

enum class Way { kRedrive, kDiscard };

// The offset of the new event; of what is discarded 0.
Result<Offset> settle(client::Session& session, const Options& options, Way way, Offset offset) {
  if (way == Way::kRedrive) {
    auto answer = session.redrive(options.entity, offset);
    return answer ? Result<Offset>(answer->getNewOffset()) : Result<Offset>(answer.error());
  }
  auto answer = session.discard(options.entity, offset);
  return answer ? Result<Offset>(Offset{0}) : Result<Offset>(answer.error());
}

void print_settled(Way way, Offset offset, Offset new_offset) {
  JsonWriter json;
  json.begin_object();
  if (way == Way::kRedrive)
    json.field("offset", offset).field("new_offset", new_offset);
  else
    json.field("discarded", offset);
  (void)print_line(json.end_object().take());
}

int settle_one(client::Session& session, const Options& options, Way way) {
  const auto settled = settle(session, options, way, options.offset);
  if (!settled) return complain_of(session, settled.error());
  if (options.json)
    print_settled(way, options.offset, *settled);
  else if (way == Way::kRedrive)
    (void)print_line("Redriven as offset " + std::to_string(*settled) + " of " + options.entity + ".");
  else
    (void)print_line("Discarded; the event stays in the mailbox of " + options.entity + ", skipped for ever.");
  return kOk;
}

// Where requests are limited, waits for its turn, but not for ever.
template <class Ask>
auto ask_patiently(client::Session& session, const Ask& ask) {
  const auto give_up_at = std::chrono::steady_clock::now() + kPatience;
  auto answer = ask();
  while (!answer && answer.error().code == ErrorCode::OVERLOADED && std::chrono::steady_clock::now() < give_up_at) {
    session.wait(session.timer().afterDelay(kOverloadedPause.count() * kj::MILLISECONDS));
    answer = ask();
  }
  return answer;
}

int settle_all(client::Session& session, const Options& options, Way way) {
  std::uint64_t count = 0;
  const auto counted = [&] {
    return std::string(way == Way::kRedrive ? "Redriven: " : "Discarded: ") + grouped(count) +
           (count == 1 ? " dead letter of " : " dead letters of ") + options.entity;
  };
  const auto stop = [&](const std::string& where, const Error& error) {
    say(counted() + "; stopped " + where + ".");
    return complain_of(session, error);
  };
  // What is redriven and fails once more stands from the first new offset on, and is left for another time.
  Offset end = std::numeric_limits<Offset>::max();
  // A list may be cut, so again until nothing is left.
  for (bool settled_any = true; std::exchange(settled_any, false);) {
    const auto list = ask_patiently(session, [&] { return session.dead_letters(options.entity); });
    if (!list) return stop("when the next ones were listed", list.error());
    for (const auto letter : list->getDeadLetters()) {
      const Offset offset = letter.getOffset();
      if (offset >= end) break;
      const auto settled = ask_patiently(session, [&] { return settle(session, options, way, offset); });
      if (!settled) return stop("at offset " + std::to_string(offset), settled.error());
      if (way == Way::kRedrive) end = std::min(end, *settled);
      if (options.json) print_settled(way, offset, *settled);
      ++count;
      settled_any = true;
    }
  }
  if (!options.json) (void)print_line(counted() + ".");
  return kOk;
}

int settle(const Options& options, Way way) {
  if (!options.all && options.offset == 0) {
    complain("name the dead letter by its OFFSET, counted from 1, or all of " + options.entity + " by --all");
    return kUsage;
  }
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  return options.all ? settle_all(session, options, way) : settle_one(session, options, way);
}

int redrive(const Options& options) { return settle(options, Way::kRedrive); }
int discard(const Options& options) { return settle(options, Way::kDiscard); }

}  // namespace

void add_deadletters_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("deadletters", "events that their hub could not handle: look, settle");
  command.require_subcommand(1);
  add_examples(command,
               "  carillon deadletters list\n"
               "  carillon deadletters show match/2 17\n"
               "  carillon deadletters redrive match/2 17     after the behaviour was mended\n"
               "  carillon deadletters redrive match/2 --all\n"
               "  carillon deadletters discard match/2 17\n");
  enum class Takes { kEntity, kOffset, kOffsetOrAll };
  const auto add = [&](const char* name, const char* help, Takes takes, int (*run)(const Options&)) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *command.add_subcommand(name, help);
    const bool of_one_hub = takes != Takes::kEntity;
    verb.add_option("entity", options->entity, of_one_hub ? "the hub" : "only this hub's")
        ->required(of_one_hub)
        ->type_name("KIND/KEY");
    if (of_one_hub) {
      auto* const offset = verb.add_option("offset", options->offset, "its offset there")
                               ->required(takes == Takes::kOffset)
                               ->type_name("OFFSET");
      if (takes == Takes::kOffsetOrAll)
        verb.add_flag("--all", options->all, "every one that the hub has now, in the order of their offsets")
            ->excludes(offset);
    }
    verb.add_flag("--json", options->json, "print one JSON object a line");
    add_connect_option(verb, options->node);
    run_with(verb, action, std::move(options), run);
  };
  add("list", "every dead letter of the cluster or the node alone, or of one hub", Takes::kEntity, &list);
  add("show", "one dead letter with its payload", Takes::kOffset, &show);
  add("redrive", "append it again as a new event, once", Takes::kOffsetOrAll, &redrive);
  add("discard", "forget it as a dead letter", Takes::kOffsetOrAll, &discard);
}

}  // namespace carillon::cli
