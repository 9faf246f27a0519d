#include "cli/verify_command.h"

#include <algorithm>
#include <filesystem>

#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cluster/copy_verdict.h"
#include "runtime/json.h"
#include "runtime/verify.h"

namespace carillon::cli {
namespace {

struct Options {
  std::filesystem::path data;
  bool json = false;
};

bool print_json(const runtime::Verification& verification) {
  JsonWriter json;
  json.begin_object().field("sound", verification.broken.empty());
  for (auto [what, count] : verification.counts) {
    std::ranges::replace(what, ' ', '_');
    json.field(what, count);
  }
  json.key("broken").begin_array();
  for (const std::string& sentence : verification.broken) json.value(sentence);
  json.end_array().key("incomplete").begin_array();
  for (const auto& partition : verification.incomplete) json.value(partition.value);
  json.end_array().end_object();
  return print_line(json.text());
}

bool print_text(const runtime::Verification& verification) {
  const Colours colours = colours_for_stdout();
  std::string text;
  for (const auto& [what, count] : verification.counts) text += grouped(count) + " " + what + "\n";
  for (const std::string& sentence : verification.broken)
    text.append(colours.red).append("broken").append(colours.reset).append(": ").append(sentence).append("\n");
  for (const auto& partition : verification.incomplete)
    text.append(colours.yellow).append("incomplete").append(colours.reset) +=
        ": of partition " + std::to_string(partition.value) +
        " there is no complete copy here, and what there is is of no use by itself; other nodes of the cluster have "
        "one\n";
  if (verification.broken.empty())
    text.append(colours.green).append("Everything that was read is sound.").append(colours.reset).append("\n");
  else
    text += "The other partitions can be served as they are. What is broken comes back from a copy of the directory.\n";
  return print(text);
}

int run(const Options& options) {
  const auto verification = runtime::verify(options.data, &cluster::judge_copy);
  if (!verification) {
    complain(to_string(verification.error()));
    return kFailed;
  }
  (void)(options.json ? print_json(*verification) : print_text(*verification));  // Nobody reads it: the code tells.
  return verification->broken.empty() ? kOk : kFailed;
}

}  // namespace

void add_verify_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("verify", "read everything in a data directory, check every invariant");
  command.add_option("--data", options->data, "the data directory of a node that is not running")
      ->required()
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  command.add_flag("--json", options->json, "print one JSON object");
  add_examples(command, "  carillon verify --data ./data && echo sound\n");
  run_with(command, action, std::move(options), &run);
}

}  // namespace carillon::cli
