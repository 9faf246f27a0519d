// The programs `simulate` and `simulate_mutants`: many seeds, one after the other.
//
// `simulate_mutants` is the same, built with CARILLON_MUTATIONS: there a bug may be planted, and `--all` shows for each
// one which seed finds it.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/mutation.h"
#include "tests/simulation/simulation.h"

namespace {

using carillon::runtime::Mutation;
using carillon::simulation::Outcome;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void print_failure(std::uint64_t seed, const Outcome& outcome, const std::string& program) {
  std::printf("\nbroken: %s\n  %s\nthe last that happened, in virtual time:\n", outcome.broken->promise.c_str(),
              outcome.broken->what.c_str());
  for (const auto& line : outcome.story) std::printf("  %s\n", line.c_str());
  std::printf("repeat with: %s --seeds 1 --from %llu\n", program.c_str(), static_cast<unsigned long long>(seed));
}

struct Options {
  std::uint64_t seeds = 2000;
  std::uint64_t from = 1;
  double seconds_max = 0;  // 0 for no limit.
  bool verbose = false;
};

int run_seeds(const Options& options, const std::string& program) {
  const auto begin = Clock::now();
  const bool terminal = isatty(STDERR_FILENO) != 0 && !options.verbose;
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t done = 0;
  for (; done < options.seeds; ++done) {
    if (options.seconds_max > 0 && seconds_since(begin) >= options.seconds_max) break;
    const auto outcome = carillon::simulation::simulate(options.from + done, options.verbose);
    for (const auto& [kind, count] : outcome.counts) counts[kind] += count;
    if (outcome.broken) {
      if (terminal) std::fputs("\r\x1b[K", stderr);
      print_failure(options.from + done, outcome, program);
      return 1;
    }
    if (terminal && done % 16 == 0)
      std::fprintf(stderr, "\r%llu of %llu seeds\x1b[K", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(options.seeds));
  }
  if (terminal) std::fputs("\r\x1b[K", stderr);
  std::printf("%zu kinds of faults and rare branches:\n", counts.size());
  for (const auto& [kind, count] : counts)
    std::printf("%10llu  %s\n", static_cast<unsigned long long>(count), kind.c_str());
  const auto seconds = seconds_since(begin);
  std::printf("%llu seeds from %llu, every promise held; %.1f s, %.0f seeds/s\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(options.from), seconds, static_cast<double>(done) / seconds);
  return 0;
}

#ifdef CARILLON_MUTATIONS
constexpr std::array<std::pair<std::string_view, Mutation>, 20> kMutations = {{
    {"acknowledge-before-sync", Mutation::kAcknowledgeBeforeSync},
    {"forget-window", Mutation::kForgetWindow},
    {"skip-marker", Mutation::kSkipMarker},
    {"remove-marker-early", Mutation::kRemoveMarkerEarly},
    {"forget-marker-change", Mutation::kForgetMarkerChange},
    {"snapshot-early", Mutation::kSnapshotEarly},
    {"cursor-too-far", Mutation::kCursorTooFar},
    {"skip-resend", Mutation::kSkipResend},
    {"hand-before-journal", Mutation::kHandBeforeJournal},
    {"journal-out-of-order", Mutation::kJournalOutOfOrder},
    {"read-only-acknowledges", Mutation::kReadOnlyAcknowledges},
    {"dead-letter-not-awaited", Mutation::kDeadLetterNotAwaited},
    {"redrive-twice", Mutation::kRedriveTwice},
    {"admit-within-gaps", Mutation::kAdmitWithinGaps},
    {"accept-gap-in-emissions", Mutation::kAcceptGapInEmissions},
    {"answer-duplicate-at-once", Mutation::kAnswerDuplicateAtOnce},
    {"deliver-before-commit", Mutation::kDeliverBeforeCommit},
    {"pass-on-anything", Mutation::kPassOnAnything},
    {"let-overtake", Mutation::kLetOvertake},
    {"trim-one-too-many", Mutation::kTrimOneTooMany},
}};

int run_all_mutations(const Options& options) {
  int survived = 0;
  std::printf("%-26s %6s  %s\n", "planted bug", "seed", "what breaks");
  for (const auto& [name, mutation] : kMutations) {
    carillon::runtime::planted_mutation = mutation;
    std::optional<Outcome> caught;
    std::uint64_t seed = options.from;
    for (; seed < options.from + options.seeds && !caught; ++seed) {
      auto outcome = carillon::simulation::simulate(seed, false);
      if (outcome.broken) caught = std::move(outcome);
    }
    if (caught) {
      std::printf("%-26s %6llu  %s: %.90s\n", std::string(name).c_str(), static_cast<unsigned long long>(seed - 1),
                  caught->broken->promise.c_str(), caught->broken->what.c_str());
    } else {
      std::printf("%-26s %6s  survives %llu seeds\n", std::string(name).c_str(), "-",
                  static_cast<unsigned long long>(options.seeds));
      ++survived;
    }
    std::fflush(stdout);
  }
  std::printf("%zu planted bugs, %d of them not found\n", kMutations.size(), survived);
  return survived == 0 ? 0 : 1;
}
#endif

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulated lives of a node, with faults, each checked against a model");
  Options options;
  app.add_option("--seeds", options.seeds, "How many lives")->capture_default_str();
  app.add_option("--from", options.from, "The first seed")->capture_default_str();
  app.add_option("--seconds", options.seconds_max, "Stop after that long; 0 for never")->capture_default_str();
  app.add_flag("--verbose", options.verbose, "Tell what happens, on stderr");
  std::string program = "./dev simulate";
#ifdef CARILLON_MUTATIONS
  std::map<std::string, Mutation> by_name;
  for (const auto& [name, mutation] : kMutations) by_name.emplace(name, mutation);
  Mutation mutation = Mutation::kNone;
  bool all = false;
  std::string name;
  app.add_option("--mutation", name, "Plant this bug")->check(CLI::IsMember(by_name));
  app.add_flag("--all", all, "Plant each bug in turn; every one must be found");
#endif
  CLI11_PARSE(app, argc, argv);
#ifdef CARILLON_MUTATIONS
  if (all) return run_all_mutations(options);
  program = argv[0];
  if (!name.empty()) {
    mutation = by_name.at(name);
    program += " --mutation " + name;
  }
  carillon::runtime::planted_mutation = mutation;
#endif
  return run_seeds(options, program);
}
