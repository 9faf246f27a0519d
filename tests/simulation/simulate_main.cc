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

#include "cluster/mutation.h"
#include "runtime/mutation.h"
#include "tests/simulation/cluster_simulation.h"
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
  std::uint64_t at_least = 0;
  bool verbose = false;
  bool cluster = false;
};

Outcome simulate(const Options& options, std::uint64_t seed) {
  return options.cluster ? carillon::simulation::simulate_cluster(seed, options.verbose)
                         : carillon::simulation::simulate(seed, options.verbose);
}

int run_seeds(const Options& options, const std::string& program) {
  const auto begin = Clock::now();
  const bool terminal = isatty(STDERR_FILENO) != 0 && !options.verbose;
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t done = 0;
  for (; done < options.seeds; ++done) {
    if (options.seconds_max > 0 && seconds_since(begin) >= options.seconds_max) break;
    const auto outcome = simulate(options, options.from + done);
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
  if (done < options.at_least) {
    std::printf("that is too few to say anything: %llu were wanted at least\n",
                static_cast<unsigned long long>(options.at_least));
    return 1;
  }
  return 0;
}

#ifdef CARILLON_MUTATIONS
constexpr std::array<std::pair<std::string_view, Mutation>, 32> kMutations = {{
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
    {"overtake-waiting", Mutation::kOvertakeWaiting},
    {"let-overtake", Mutation::kLetOvertake},
    {"overtake-unreadable", Mutation::kOvertakeUnreadable},
    {"stay-stuck", Mutation::kStayStuck},
    {"trim-one-too-many", Mutation::kTrimOneTooMany},
    {"cut-beyond-snapshot", Mutation::kCutBeyondSnapshot},
    {"snapshot-goes-back", Mutation::kSnapshotGoesBack},
    {"forget-dead-event", Mutation::kForgetDeadEvent},
    {"remind-early", Mutation::kRemindEarly},
    {"remind-twice", Mutation::kRemindTwice},
    {"forget-reminder", Mutation::kForgetReminder},
    {"nothing-outstanding", Mutation::kNothingOutstanding},
    {"keep-what-is-old", Mutation::kKeepWhatIsOld},
    {"keep-windows", Mutation::kKeepWindows},
}};

using ClusterMutation = carillon::cluster::Mutation;
// Without kTrustUnsynced, which is found by a test of the log (tests/planted).
constexpr std::array<std::pair<std::string_view, ClusterMutation>, 22> kClusterMutations = {{
    {"commit-by-majority", ClusterMutation::kCommitByMajority},
    {"forget-added", ClusterMutation::kForgetAdded},
    {"ignore-epoch", ClusterMutation::kIgnoreEpoch},
    {"truncate-by-index", ClusterMutation::kTruncateByIndex},
    {"read-without-lease", ClusterMutation::kReadWithoutLease},
    {"ignore-store", ClusterMutation::kIgnoreStore},
    {"apply-before-commit", ClusterMutation::kApplyBeforeCommit},
    {"acknowledge-before-sync", ClusterMutation::kAcknowledgeBeforeSync},
    {"nominate-out-of-sync", ClusterMutation::kNominateOutOfSync},
    {"trust-removed", ClusterMutation::kTrustRemoved},
    {"nominate-during-lease", ClusterMutation::kNominateDuringLease},
    {"copy-without-replay", ClusterMutation::kCopyWithoutReplay},
    {"forget-installing", ClusterMutation::kForgetInstalling},
    {"commit-inherited", ClusterMutation::kCommitInherited},
    {"take-lost-for-won", ClusterMutation::kTakeLostForWon},
    {"begin-twice", ClusterMutation::kBeginTwice},
    {"ready-too-early", ClusterMutation::kReadyTooEarly},
    {"send-before-begin", ClusterMutation::kSendBeforeBegin},
    {"failed-disk-acknowledges", ClusterMutation::kFailedDiskAcknowledges},
    {"read-during-hand-over", ClusterMutation::kReadDuringHandOver},
    {"read-on-released-lease", ClusterMutation::kReadOnReleasedLease},
    {"skip-previous-check", ClusterMutation::kSkipPreviousCheck},
}};

void plant(Mutation mutation) { carillon::runtime::planted_mutation = mutation; }
void plant(ClusterMutation mutation) { carillon::cluster::planted_mutation = mutation; }

template <class Mutations>
int run_all_mutations(const Options& options, const Mutations& mutations) {
  int survived = 0;
  std::printf("%-26s %6s  %s\n", "planted bug", "seed", "what breaks");
  for (const auto& [name, mutation] : mutations) {
    plant(mutation);
    std::optional<Outcome> caught;
    std::uint64_t seed = options.from;
    for (; seed < options.from + options.seeds && !caught; ++seed) {
      auto outcome = simulate(options, seed);
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
  std::printf("%zu planted bugs, %d of them not found\n", mutations.size(), survived);
  return survived == 0 ? 0 : 1;
}
#endif

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulated lives of a node or a cluster, with faults, each checked against a model");
  Options options;
  app.add_option("--seeds", options.seeds, "How many lives")->capture_default_str();
  app.add_option("--from", options.from, "The first seed")->capture_default_str();
  app.add_option("--seconds", options.seconds_max, "Stop after that long; 0 for never")->capture_default_str();
  app.add_option("--at-least", options.at_least, "Fail when --seconds end it before so many lives")
      ->capture_default_str();
  app.add_flag("--verbose", options.verbose, "Tell what happens, on stderr");
  app.add_flag("--cluster", options.cluster, "Lives of whole clusters instead of a single node");
  std::string program = "./dev simulate";
#ifdef CARILLON_MUTATIONS
  std::map<std::string, Mutation> by_name;
  for (const auto& [name, mutation] : kMutations) by_name.emplace(name, mutation);
  std::map<std::string, ClusterMutation> cluster_by_name;
  for (const auto& [name, mutation] : kClusterMutations) cluster_by_name.emplace(name, mutation);
  bool all = false;
  std::string name;
  app.add_option("--mutation", name, "Plant this bug");
  app.add_flag("--all", all, "Plant each bug in turn; every one must be found");
#endif
  CLI11_PARSE(app, argc, argv);
#ifdef CARILLON_MUTATIONS
  if (all)
    return options.cluster ? run_all_mutations(options, kClusterMutations) : run_all_mutations(options, kMutations);
  program = argv[0];
  if (!name.empty()) {
    program += " --mutation " + name;
    if (!(options.cluster ? cluster_by_name.contains(name) : by_name.contains(name))) {
      std::fprintf(stderr, "no planted bug is called '%s'\n", name.c_str());
      return 2;
    }
    if (options.cluster)
      plant(cluster_by_name.at(name));
    else
      plant(by_name.at(name));
  }
#endif
  if (options.cluster) program += " --cluster";
  return run_seeds(options, program);
}
