#include "cli/replay_command.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/bulk.h"
#include "cli/terminal.h"
#include "examples/arena/quake_log.h"
#include "runtime/json.h"

namespace carillon::cli {
namespace {

constexpr std::size_t kMalformedShown = 5;

struct Options {
  NodeOptions node;
  std::string producer;
  std::filesystem::path log;
  unsigned patience_s = 60;
  bool json = false;
};

void print_json(const std::string& producer, const arena::QuakeLog& log, const client::Publisher::Figures& figures) {
  const auto& counters = log.counters();
  JsonWriter json;
  json.begin_object().field("producer", producer).field("lines", counters.lines);
  json.field("malformed", counters.malformed).field("matches", counters.matches).field("kills", counters.kills);
  json.field("published", counters.published).field("accepted", figures.accepted);
  json.field("duplicates", figures.duplicates).field("refused", figures.refused).end_object();
  (void)print_line(json.text());
}

void print_text(const arena::QuakeLog& log, const client::Publisher::Figures& figures) {
  const auto& counters = log.counters();
  std::string text = grouped(counters.lines) + " lines: " + grouped(counters.matches) + " matches, " +
                     grouped(counters.kills) + " kills, " + grouped(counters.published) + " events\n";
  const std::uint64_t known = std::min(figures.duplicates, figures.accepted);
  text += grouped(figures.accepted - known) + " new, " + grouped(known) + " known already";
  if (figures.refused > 0) text += ", " + grouped(figures.refused) + " refused";
  if (!print(text + "\n") || counters.malformed == 0) return;
  say(grouped(counters.malformed) + " malformed lines were passed over:");
  for (std::size_t i = 0; i < std::min(kMalformedShown, log.malformed().size()); ++i)
    say("  line " + std::to_string(log.malformed()[i].number) + ": " + log.malformed()[i].reason);
  if (counters.malformed > kMalformedShown) say("  …");
}

int run(const Options& options) {
  std::ifstream file(options.log, std::ios::binary);
  if (!file) {
    complain("cannot read " + options.log.string());
    return kFailed;
  }
  Bulk bulk({.node = options.node,
             .producer = options.producer,
             .producer_by_default = options.log.filename().string(),
             .patience = std::chrono::seconds(options.patience_s)});
  if (const ExitCode code = bulk.connect(); code != kOk) return code;
  arena::QuakeLog log;
  bool is_cut = false;  // The last line: the server has not written all of it yet.
  for (std::string line; std::getline(file, line) && !(is_cut = file.eof());)
    if (const auto publication = log.take(line))
      if (!bulk.offer({publication->entity.text(), publication->type, publication->payload, publication->sequence}))
        return bulk.exit_code();
  if (!bulk.finish()) return bulk.exit_code();
  if (options.json)
    print_json(bulk.producer(), log, bulk.figures());
  else
    print_text(log, bulk.figures());
  if (is_cut) say("The last line has no end yet and was left out: replay again once the server has written it.");
  return bulk.figures().refused > 0 ? kRefused : kOk;
}

}  // namespace

void add_replay_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("replay", "publish the log of a Quake III server, each line once");
  command.add_option("log", options->log, "the server's log; see examples/arena/quake_log.h")
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("LOG");
  command.add_option("--producer", options->producer, "default: the log's file name")->type_name("P");
  command.add_option("--patience", options->patience_s, "how long to wait for a node that went away, or takes nothing")
      ->type_name("SECONDS")
      ->capture_default_str();
  command.add_flag("--json", options->json, "print the outcome as one JSON object");
  add_connect_option(command, options->node);
  add_examples(command,
               "  carillon replay examples/arena/sample.log     a second time changes nothing\n"
               "  carillon inspect match/1                      the scoreboard that came of it\n");
  run_with(command, action, std::move(options), &run);
}

}  // namespace carillon::cli
