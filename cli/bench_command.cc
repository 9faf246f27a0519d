#include "cli/bench_command.h"

#include <cstdio>
#include <map>

#include "bench/backlog_bench.h"
#include "bench/failover_bench.h"
#include "bench/floor.h"
#include "bench/hunt_bench.h"
#include "bench/reconfiguration_bench.h"
#include "bench/replication_bench.h"
#include "bench/sockets_bench.h"
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
int run_failover(const bench::FailoverOptions& options) { return exit_code_of(bench::run_failover(options)); }
int run_reconfiguration(const bench::ReconfigurationOptions& options) {
  return exit_code_of(bench::run_reconfiguration(options));
}
int run_replication(const bench::ReplicationOptions& options) { return exit_code_of(bench::run_replication(options)); }
int run_sockets(const bench::SocketsOptions& options) { return exit_code_of(bench::run_sockets(options)); }
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
  command.add_option("--connect", options->connect, "use this node, or these of a cluster, instead of starting one")
      ->type_name("HOST:PORT,…");
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
  add_count(command, "--seconds", options->seconds, "for each of the six measurements");
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

void add_sockets(CLI::App& bench, Action& action) {
  using bench::SocketsPart;
  static const std::map<std::string, SocketsPart> kParts = {{"idle", SocketsPart::kIdle},
                                                            {"broadcast", SocketsPart::kBroadcast},
                                                            {"latency", SocketsPart::kLatency},
                                                            {"readers", SocketsPart::kReaders}};
  auto options = std::make_shared<bench::SocketsOptions>();
  CLI::App& command = *bench.add_subcommand("sockets", "WebSockets: memory, broadcasts, latency, slow readers");
  command.add_option("--part", options->parts, "idle, broadcast, latency, readers; several in turn; all by default")
      ->transform(CLI::CheckedTransformer(kParts, CLI::ignore_case))
      ->type_name("PART");
  command
      .add_option("--connections", options->connections,
                  "idle ones, each following a stream; by default 20000, or as many as the limit of open files permits")
      ->check(CLI::PositiveNumber);
  add_count(command, "--audience", options->audience, "WebSockets that a broadcast is for");
  add_count(command, "--rounds", options->rounds, "broadcasts");
  add_count(command, "--turns", options->turns, "of WebSocket and native RPC, for latency; of the servers, for both");
  add_count(command, "--rate", options->rate, "events per second, for latency and readers");
  add_count(command, "--stopped", options->stopped, "readers that have stopped");
  add_timing(command, *options);
  command
      .add_option("--against", options->against,
                  "measure this server as well, in turns: a program that is started as `carillon serve` is")
      ->type_name("PROGRAM")
      ->check(CLI::ExistingFile);
  command.add_flag("--json", options->json, "JSON objects instead of tables");
  add_node_options(command, *options);
  add_examples(command,
               "  carillon bench sockets --against bench/node_ws/run --part idle --part broadcast --part latency\n"
               "  carillon bench sockets --part idle --connections 20000\n"
               "  carillon bench sockets --part latency --rate 1000 --turns 5\n");
  run_with(command, action, std::move(options), &run_sockets);
}

template <class Options>
void add_cluster_options(CLI::App& command, Options& options) {
  add_count(command, "--rate", options.rate, "events per second");
  add_count(command, "--nodes", options.nodes, "of the cluster");
  add_count(command, "--partitions", options.partitions, "of the cluster");
  command.add_flag("--json", options.json, "JSON instead of tables");
  add_node_options(command, options);
}

void add_seed(CLI::App& command, bench::FailoverOptions& options) {
  command.add_option("--seed", options.seed, "of the choice of nodes and faults")->capture_default_str();
}

void add_failover(CLI::App& bench, Action& action) {
  using bench::Fault;
  static const std::map<std::string, Fault> kFaults = {{"kill", Fault::kKill},          {"stop", Fault::kStop},
                                                       {"drain", Fault::kDrain},        {"restart", Fault::kRestart},
                                                       {"etcd-down", Fault::kEtcdDown}, {"wipe", Fault::kWipe},
                                                       {"disk-full", Fault::kDiskFull}, {"cut", Fault::kCut},
                                                       {"cut-link", Fault::kCutPair},   {"one-way", Fault::kOneWay},
                                                       {"slow", Fault::kSlow}};
  auto options = std::make_shared<bench::FailoverOptions>();
  CLI::App& command = *bench.add_subcommand("failover", "how long clients hear nothing when a node of a cluster fails");
  command
      .add_option("--fault", options->faults,
                  "kill, stop, drain, restart, etcd-down, wipe, disk-full, cut, …; several in turn")
      ->required()
      ->transform(CLI::CheckedTransformer(kFaults, CLI::ignore_case))
      ->type_name("FAULT");
  add_count(command, "--times", options->times, "each fault");
  add_cluster_options(command, *options);
  add_seed(command, *options);
  add_examples(command,
               "  carillon bench failover --fault kill --times 50 --rate 5000\n"
               "  carillon bench failover --fault stop --fault drain --times 10\n");
  run_with(command, action, std::move(options), &run_failover);
}

void add_chaos(CLI::App& bench, Action& action) {
  auto options = std::make_shared<bench::FailoverOptions>();
  options->rate = 1'000;
  CLI::App& command =
      *bench.add_subcommand("chaos", "a random mix of faults; fails if anything is lost, doubled or out of order");
  command
      .add_option_function<double>(
          "--minutes",
          [&duration = options->duration](double minutes) {
            duration = std::chrono::seconds(static_cast<std::int64_t>(minutes * 60));
          },
          "how long")
      ->check(CLI::PositiveNumber)
      ->default_str("1");
  command.add_flag("!--no-network", options->network, "without faults of the network and of disks, which need root");
  add_cluster_options(command, *options);
  add_seed(command, *options);
  run_with(command, action, std::move(options), &run_failover);
}

void add_reconfiguration(CLI::App& bench, Action& action) {
  using bench::ReconfigurationPart;
  static const std::map<std::string, ReconfigurationPart> kParts = {{"away", ReconfigurationPart::kAway},
                                                                    {"wiped", ReconfigurationPart::kWiped},
                                                                    {"joining", ReconfigurationPart::kJoining},
                                                                    {"etcd-down", ReconfigurationPart::kEtcdDown}};
  auto options = std::make_shared<bench::ReconfigurationOptions>();
  CLI::App& command = *bench.add_subcommand(
      "reconfiguration", "how publishing goes on while a node is brought in sync, joins, or etcd is away");
  command.add_option("--part", options->parts, "away, wiped, joining, etcd-down; several in turn; all by default")
      ->transform(CLI::CheckedTransformer(kParts, CLI::ignore_case))
      ->type_name("PART");
  add_count(command, "--behind", options->behind, "events that a node misses");
  add_count(command, "--etcd-down", options->etcd_down_s, "seconds");
  add_cluster_options(command, *options);
  add_examples(command,
               "  carillon bench reconfiguration --part away --part wiped --behind 200000 --rate 5000\n"
               "  carillon bench reconfiguration --part joining --partitions 16\n");
  run_with(command, action, std::move(options), &run_reconfiguration);
}

void add_replication(CLI::App& bench, Action& action) {
  auto options = std::make_shared<bench::ReplicationOptions>();
  CLI::App& command =
      *bench.add_subcommand("replication", "hunt on one node, and on three with two and three replicas");
  command.add_option("--rate", options->rates, "events per second, besides the closed loop; several in turn")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_count(command, "--turns", options->turns, "of all; medians are printed");
  add_timing(command, *options);
  add_count(command, "--partitions", options->partitions, "of all nodes");
  command.add_flag("--json", options->json, "a JSON object for each run instead of a table");
  add_node_options(command, *options);
  add_examples(command, "  carillon bench replication --turns 5\n");
  run_with(command, action, std::move(options), &run_replication);
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  CLI::App& bench = *app.add_subcommand("bench", "measure a node, a cluster, or the disk below them");
  bench.require_subcommand(1);
  add_examples(bench, "  carillon bench hunt --mode rate --rate 1000\n  carillon bench failover --help\n");
  add_hunt(bench, action);
  add_floor(bench, action);
  add_streams(bench, action);
  add_backlog(bench, action);
  add_sockets(bench, action);
  add_failover(bench, action);
  add_chaos(bench, action);
  add_reconfiguration(bench, action);
  add_replication(bench, action);
}

}  // namespace carillon::cli
