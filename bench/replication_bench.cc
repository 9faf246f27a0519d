#include "bench/replication_bench.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "bench/clock.h"
#include "bench/cluster_process.h"
#include "bench/conductor.h"
#include "bench/interrupt.h"
#include "bench/process_usage.h"
#include "clients/cpp/session.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

struct Setup {
  const char* name;
  std::size_t nodes;
  std::size_t replicas;  // 0: no cluster.
};
constexpr std::array kSetups = {Setup{"1 node", 1, 0}, Setup{"3 nodes, 2 replicas", 3, 2},
                                Setup{"3 nodes, 3 replicas", 3, 3}};

// The nodes of one run.
class Nodes {
 public:
  static Result<std::unique_ptr<Nodes>> start(const ReplicationOptions& options, const Setup& setup) {
    auto nodes = std::make_unique<Nodes>();
    if (setup.replicas == 0) {
      std::vector<std::string> arguments = {"--partitions", std::to_string(options.partitions)};
      arguments.insert(arguments.end(), options.serve_arguments.begin(), options.serve_arguments.end());
      nodes->single_ = std::make_unique<ServerProcess>(ServerProcess::Options{
          .parent_directory = options.data, .arguments = std::move(arguments), .program = options.program});
      if (const auto started = nodes->single_->start(); !started.ok()) return started.error();
      return nodes;
    }
    nodes->cluster_ = std::make_unique<ClusterProcess>(ClusterProcess::Options{.nodes = setup.nodes,
                                                                               .replicas = setup.replicas,
                                                                               .partitions = options.partitions,
                                                                               .parent_directory = options.data,
                                                                               .arguments = options.serve_arguments,
                                                                               .program = options.program});
    if (const auto started = nodes->cluster_->start(); !started.ok()) return started.error();
    return nodes;
  }

  // Of this thread, of which each has one event loop at most.
  client::Session& session() { return cluster_ ? cluster_->session() : own_session_.emplace(); }
  client::Addresses addresses() const { return single_ ? single_->address() : cluster_->addresses(); }
  ProcessUsage usage() const {
    if (single_) return usage_of(single_->process());
    ProcessUsage usage;
    for (std::size_t node = 0; node < cluster_->size(); ++node) usage += usage_of(cluster_->node(node).process());
    return usage;
  }

 private:
  std::optional<client::Session> own_session_;
  std::unique_ptr<ServerProcess> single_;
  std::unique_ptr<ClusterProcess> cluster_;
};

// What the nodes say of their stages, and of their version.
Result<void> read_stages(client::Session& session, const client::Addresses& addresses, ReplicationRun& run) {
  for (const auto& address : addresses.all()) {
    if (const auto connected = session.connect(address); !connected.ok()) return connected.error();
    const auto answer = session.stats();
    if (!answer.ok()) return answer.error();
    const auto stats = (*answer).getStats();
    run.row.version = stats.getVersion().cStr();
    const std::map<std::string_view, double*> wanted = {
        {"sync", &run.sync_p50_ms}, {"commit", &run.commit_p50_ms}, {"publish", &run.publish_p50_ms}};
    for (const auto stage : stats.getStages())
      if (const auto found = wanted.find(stage.getStage().cStr()); found != wanted.end())
        *found->second = std::max(*found->second, stage.getP50Ms());
  }
  return {};
}

Result<ReplicationRun> run_once(const ReplicationOptions& options, const Setup& setup, double rate) {
  auto nodes = Nodes::start(options, setup);
  if (!nodes.ok()) return nodes.error();
  const auto addresses = (*nodes)->addresses();
  const Run run{.job = {.mode = rate == 0 ? Mode::kMax : Mode::kRate, .events_per_s = rate},
                .timing = {.warmup_s = options.warmup_s, .measured_s = options.seconds},
                .addresses = addresses,
                .run_name = std::to_string(getpid()) + "-" + std::to_string(now_ns())};
  const auto nodes_before = (*nodes)->usage(), clients_before = usage_of(getpid());
  auto outcome = conduct(run);
  if (!outcome.ok()) return outcome.error();
  const auto nodes_used = (*nodes)->usage() - nodes_before, clients_used = usage_of(getpid()) - clients_before;
  ReplicationRun result{.row = std::move(outcome->row)};
  result.row.system = std::string("carillon, ") + setup.name;
  result.row.mode = rate == 0 ? "max" : "rate";
  result.row.guarantee = "fdatasync by the whole in-sync set per confirm, grouped; deduplicated";
  const auto each = [&](double total) {
    return total / static_cast<double>(std::max<std::uint64_t>(outcome->accepted, 1));
  };
  result.node_cpu_us = each((nodes_used.user_s + nodes_used.system_s) * 1e6);
  result.node_system_us = each(nodes_used.system_s * 1e6);
  result.client_cpu_us = each((clients_used.user_s + clients_used.system_s) * 1e6);
  result.node_context_switches = each(static_cast<double>(nodes_used.context_switches));
  if (auto read = read_stages((*nodes)->session(), addresses, result); !read.ok()) return read.error();
  return result;
}

double median(const std::vector<ReplicationRun>& runs, double (*of)(const ReplicationRun&)) {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(of(run));
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void print_json(const ReplicationRun& run) {
  JsonWriter json(1'024);
  json.begin_object();
  json.key("row").raw(json_of(run.row));
  json.field("node_cpu_us_per_event", run.node_cpu_us)
      .field("node_system_us_per_event", run.node_system_us)
      .field("client_cpu_us_per_event", run.client_cpu_us)
      .field("node_context_switches_per_event", run.node_context_switches)
      .field("sync_p50_ms", run.sync_p50_ms)
      .field("commit_p50_ms", run.commit_p50_ms)
      .field("publish_p50_ms", run.publish_p50_ms)
      .end_object();
  print_line(std::string(json.text()));
}

void print_head() {
  std::printf("%-22s %8s %9s %8s %8s | %7s %7s %8s %8s | %8s %8s %8s\n", "medians", "rate", "events/s", "p50 ms",
              "p99 ms", "node us", "system", "client", "switches", "sync", "commit", "publish");
  std::fflush(stdout);
}

void print_medians(const Setup& setup, double rate, const std::vector<ReplicationRun>& runs) {
  using R = const ReplicationRun&;
  std::printf(
      "%-22s %8s %9.0f %8.2f %8.2f | %7.1f %7.1f %8.1f %8.2f | %8.2f %8.2f %8.2f\n", setup.name,
      rate == 0 ? "max" : std::to_string(static_cast<int>(rate)).c_str(),
      median(runs, [](R run) { return run.row.events_per_s; }), median(runs, [](R run) { return run.row.p50_ms; }),
      median(runs, [](R run) { return run.row.p99_ms; }), median(runs, [](R run) { return run.node_cpu_us; }),
      median(runs, [](R run) { return run.node_system_us; }), median(runs, [](R run) { return run.client_cpu_us; }),
      median(runs, [](R run) { return run.node_context_switches; }),
      median(runs, [](R run) { return run.sync_p50_ms; }), median(runs, [](R run) { return run.commit_p50_ms; }),
      median(runs, [](R run) { return run.publish_p50_ms; }));
  std::fflush(stdout);
}

}  // namespace

Result<void> run_replication(const ReplicationOptions& options) {
  catch_interrupts();
  std::vector<double> rates = {0};
  rates.insert(rates.end(), options.rates.begin(), options.rates.end());
  std::map<std::pair<std::size_t, double>, std::vector<ReplicationRun>> all;  // By setup and rate.
  bool sound = true;
  for (std::uint32_t turn = 0; turn < options.turns; ++turn)
    for (const double rate : rates)
      for (std::size_t setup = 0; setup < kSetups.size(); ++setup) {
        auto run = run_once(options, kSetups[setup], rate);
        if (!run.ok()) return Error{run.error().code, std::string(kSetups[setup].name) + ": " + run.error().message};
        sound = sound && run->row.lost == 0 && run->row.duplicated == 0 && run->row.out_of_order == 0;
        if (options.json) print_json(*run);
        all[{setup, rate}].push_back(std::move(*run));
      }
  if (!options.json) {
    print_head();
    for (const double rate : rates)
      for (std::size_t setup = 0; setup < kSetups.size(); ++setup)
        print_medians(kSetups[setup], rate, all[{setup, rate}]);
    std::printf(
        "node us, system, client: CPU microseconds for each event, by all nodes, in the kernel, by the clients;\n"
        "switches: context switches of all nodes; sync, commit, publish: p50 in ms of the slowest node's stages\n");
  }
  if (sound) return {};
  return Error{ErrorCode::UNAVAILABLE, "something was lost, doubled or out of order"};
}

}  // namespace carillon::bench
