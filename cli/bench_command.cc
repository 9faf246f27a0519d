#include "cli/bench_command.h"

#include <cstdio>
#include <map>

#include "bench/backlog_bench.h"
#include "bench/floor.h"
#include "bench/hunt_bench.h"
#include "bench/streams_bench.h"
#include "cli/exit_code.h"

namespace carillon::cli {
namespace {

int exit_code_of(const Result<void>& done) {
  if (done.ok()) return kOk;
  std::fprintf(stderr, "carillon: %s\n", to_string(done.error()).c_str());
  return done.error().code == ErrorCode::MALFORMED ? kUsage : kFailed;
}

int run_hunt(const bench::HuntOptions& options) { return exit_code_of(bench::run_hunt(options)); }
int run_floor(const bench::FloorOptions& options) { return exit_code_of(bench::measure_floor(options)); }
int run_streams(const bench::StreamsOptions& options) { return exit_code_of(bench::run_streams(options)); }
int run_backlog(const bench::BacklogOptions& options) { return exit_code_of(bench::run_backlog(options)); }

// Where and how the node runs.
template <class Options>
void add_node_options(CLI::App& command, Options& options) {
  command.add_option("--data", options.data, "where the node's data directory is made; on a disk, not tmpfs")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  command
      .add_option("--serve-argument", options.serve_arguments,
                  "more for `serve`, one word each time: --serve-argument=--partitions=4")
      ->type_name("WORD")
      ->group("Tuning");
}

template <class Options>
void add_timing(CLI::App& command, Options& options) {
  command.add_option("--seconds", options.seconds, "measured time")->check(CLI::PositiveNumber)->capture_default_str();
  command.add_option("--warmup", options.warmup_s, "seconds before that")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

template <class Number>
CLI::Option* add_count(CLI::App& command, const char* name, Number& value, const char* help) {
  return command.add_option(name, value, help)->check(CLI::PositiveNumber)->capture_default_str();
}

void add_hunt(CLI::App& bench, Action& action) {
  static const std::map<std::string, bench::Mode> kModes = {
      {"max", bench::Mode::kMax}, {"rate", bench::Mode::kRate}, {"crash", bench::Mode::kCrash}};
  auto options = std::make_shared<bench::HuntOptions>();
  bench::JobConfig& job = options->job;
  CLI::App& command = *bench.add_subcommand("hunt", "the job of ../shared/peerbench, in its row format");
  command
      .add_option("--mode", job.mode, "max: closed loop; rate: open loop; crash: rate, with a SIGKILL in the middle")
      ->required()
      ->transform(CLI::CheckedTransformer(kModes, CLI::ignore_case))
      ->type_name("max|rate|crash");
  command.add_option("--rate", job.events_per_s, "events per second, for rate and crash")->check(CLI::PositiveNumber);
  add_count(command, "--notifications", job.notifications_per_event, "K, per event");
  add_timing(command, *options);
  add_count(command, "--in-flight", job.in_flight_max,
            "max mode: events per producer that are sent and not fully delivered");
  add_count(command, "--producers", job.producers, "clients that publish");
  add_count(command, "--gateways", job.gateways, "clients that follow, each for its share of the players");
  add_count(command, "--hubs", job.hubs, "hubs that process");
  add_count(command, "--players", job.players, "player streams");
  add_node_options(command, *options);
  command.add_option("--connect", options->connect, "use this node instead of starting one")->type_name("HOST:PORT");
  add_count(command, "--producer-threads", options->producer_threads, "threads that the producers share")
      ->group("Tuning");
  add_count(command, "--gateway-threads", options->gateway_threads, "threads that the gateways share")->group("Tuning");
  add_examples(command,
               "  carillon bench hunt --mode max --notifications 8\n"
               "  carillon bench hunt --mode rate --rate 1000 --seconds 20\n"
               "  carillon bench hunt --mode crash --rate 2000 --data /var/tmp\n");
  run_with(command, action, std::move(options), &run_hunt);
}

void add_floor(CLI::App& bench, Action& action) {
  auto options = std::make_shared<bench::FloorOptions>();
  options->directory = ".";
  CLI::App& command = *bench.add_subcommand("floor", "what fdatasync and LevelDB do at best on this disk");
  command.add_option("--directory", options->directory, "where to write")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  add_count(command, "--seconds", options->seconds, "for each of the five measurements");
  run_with(command, action, std::move(options), &run_floor);
}

void add_streams(CLI::App& bench, Action& action) {
  auto options = std::make_shared<bench::StreamsOptions>();
  CLI::App& command = *bench.add_subcommand("streams", "many player streams: build, restart, memory, reads");
  add_count(command, "--streams", options->streams, "player streams");
  add_count(command, "--notifications", options->notifications, "in each");
  add_count(command, "--producers", options->producers, "clients that publish");
  add_count(command, "--reads", options->reads, "random tails read after the restart");
  add_node_options(command, *options);
  run_with(command, action, std::move(options), &run_streams);
}

void add_backlog(CLI::App& bench, Action& action) {
  auto options = std::make_shared<bench::BacklogOptions>();
  CLI::App& command = *bench.add_subcommand("backlog", "hunt on 63 hubs, without and with a backlog of another one");
  add_count(command, "--events", options->events, "in the backlog");
  add_count(command, "--spin-us", options->spin_us, "microseconds of work for each of them")
      ->check(CLI::Range(1, 1'000'000));
  add_count(command, "--rate", options->rate, "events per second of the others");
  add_timing(command, *options);
  add_node_options(command, *options);
  run_with(command, action, std::move(options), &run_backlog);
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  CLI::App& bench = *app.add_subcommand("bench", "measure a node, or the disk below it; prints JSON");
  bench.require_subcommand(1);
  add_hunt(bench, action);
  add_floor(bench, action);
  add_streams(bench, action);
  add_backlog(bench, action);
}

}  // namespace carillon::cli
