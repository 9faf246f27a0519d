#include "bench/failover_bench.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "bench/clock.h"
#include "bench/cluster_process.h"
#include "bench/conductor.h"
#include "bench/interrupt.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

constexpr std::int64_t kCalmNs = 2 * kSecond;  // At the beginning: what silence there is when nothing happens.
constexpr std::size_t kSmallDiskNode = 0;
constexpr const char* kSecret = "known to all nodes of this bench\n";

// The cluster, in a network lab if that is wanted and possible.
class Scene {
 public:
  explicit Scene(const FailoverOptions& options) : options_(options) {}
  ~Scene() noexcept {
    cluster_.reset();
    if (small_disk_) unmount_small_disk(disk_);
    lab_.reset();
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  Result<void> start(bool with_lab) {
    std::string pattern = options_.data + "/carillon-failover-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) return Error{ErrorCode::UNAVAILABLE, "cannot write in " + options_.data};
    directory_ = std::filesystem::absolute(pattern);
    ClusterProcess::Options cluster{.nodes = options_.nodes,
                                    .partitions = options_.partitions,
                                    .parent_directory = directory_,
                                    .arguments = options_.serve_arguments,
                                    .program = options_.program};
    if (with_lab) {
      lab_ = std::make_unique<NetworkLab>(options_.nodes);
      if (auto started = lab_->start(); !started.ok()) return started;
      const auto secret = directory_ + "/secret";
      std::ofstream(secret) << kSecret;
      disk_ = directory_ + "/disk";
      std::filesystem::create_directory(disk_);
      if (auto mounted = mount_small_disk(disk_); !mounted.ok()) return mounted;
      small_disk_ = kSmallDiskNode;
      cluster.etcd_host = lab_->address_of_machine();
      cluster.adapt = [this, secret](std::size_t number, ServerProcess::Options& node) {
        node.network_namespace = lab_->namespace_of(number);
        if (number == small_disk_) node.data_directory = disk_;
        node.arguments.insert(node.arguments.end(),
                              {"--peer", lab_->address_of(number) + ":0", "--secret-file", secret});
      };
    }
    cluster_ = std::make_unique<ClusterProcess>(std::move(cluster));
    if (auto started = cluster_->start(); !started.ok()) return started;
    std::vector<client::Address> ways = cluster_->addresses().all();
    for (std::size_t number = 0; lab_ && number < ways.size(); ++number) {
      const auto relayed = lab_->relay(number, ways[number]);
      if (!relayed.ok()) return relayed.error();
      ways[number] = *relayed;
    }
    addresses_.emplace(std::move(ways));
    return {};
  }

  ClusterProcess& cluster() { return *cluster_; }
  NetworkLab* lab() { return lab_.get(); }
  std::optional<std::size_t> small_disk() const { return small_disk_; }
  const client::Addresses& addresses() const { return *addresses_; }

 private:
  const FailoverOptions& options_;
  std::string directory_, disk_;
  std::unique_ptr<NetworkLab> lab_;
  std::optional<std::size_t> small_disk_;
  std::unique_ptr<ClusterProcess> cluster_;
  std::optional<client::Addresses> addresses_;
};

Result<void> play(const FailoverOptions& options, Faults& faults, const NetworkLab* lab) {
  std::vector<Fault> mix = options.faults;
  if (mix.empty()) {
    mix = {Fault::kKill, Fault::kStop, Fault::kDrain, Fault::kRestart, Fault::kEtcdDown, Fault::kWipe};
    if (lab != nullptr) mix.insert(mix.end(), {Fault::kDiskFull, Fault::kCut, Fault::kCutPair, Fault::kOneWay});
    if (lab != nullptr && lab->can_slow_down())
      mix.push_back(Fault::kSlow);
    else
      std::fprintf(stderr, "without delay and loss: there is no `tc netem` here\n");
    std::mt19937_64 dice(options.seed);
    const std::int64_t until = now_ns() + std::chrono::nanoseconds(options.duration).count();
    for (std::size_t next = 0; now_ns() < until; ++next) {
      // Every fault comes once before any comes again.
      if (next % mix.size() == 0) std::ranges::shuffle(mix, dice);
      if (auto done = faults.happen(mix[next % mix.size()]); !done.ok()) return done;
    }
    return {};
  }
  for (std::uint32_t time = 0; time < options.times; ++time)
    for (const Fault fault : mix)
      if (auto done = faults.happen(fault); !done.ok()) return done;
  return {};
}

std::string json_of(const FailoverFigures& figures, const FailoverOptions& options) {
  JsonWriter json;
  json.begin_object()
      .field("system", "carillon")
      .field("bench", options.faults.empty() ? "chaos" : "failover")
      .field("rate", options.rate)
      .field("events_per_s", figures.events_per_s)
      .field("accepted", figures.accepted)
      .field("delivered", figures.delivered)
      .field("lost", figures.lost)
      .field("doubled", figures.doubled)
      .field("out_of_order", figures.out_of_order);
  json.key("silences").begin_array();
  for (const auto& cause : figures.causes)
    json.begin_object()
        .field("fault", cause.name)
        .field("times", cause.times)
        .field("p50_ms", cause.p50_ms)
        .field("p99_ms", cause.p99_ms)
        .field("max_ms", cause.max_ms)
        .end_object();
  json.end_array().end_object();
  return std::string(json.text());
}

void print_table(const FailoverFigures& figures) {
  const auto count = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  std::printf("%llu accepted (%.0f/s), %llu delivered, %llu lost, %llu doubled, %llu out of order\n\n",
              count(figures.accepted), figures.events_per_s, count(figures.delivered), count(figures.lost),
              count(figures.doubled), count(figures.out_of_order));
  std::printf("%-28s %6s %10s %10s %10s\n", "longest silence of a player", "times", "p50 ms", "p99 ms", "max ms");
  for (const auto& cause : figures.causes)
    std::printf("%-28s %6u %10.0f %10.0f %10.0f\n", cause.name.c_str(), cause.times, cause.p50_ms, cause.p99_ms,
                cause.max_ms);
  std::fflush(stdout);
}

}  // namespace

JobConfig failover_job(double rate, std::uint32_t clients) {
  constexpr std::uint32_t kHubs = 16, kDirectPlayers = 8;
  return {.mode = Mode::kCrash,
          .events_per_s = rate,
          .notifications_per_event = 1,
          .producers = clients,
          .gateways = clients,
          .hubs = kHubs,
          .players = kHubs + kDirectPlayers,
          .direct_players = kDirectPlayers};
}

FailoverFigures::Cause summed_up(std::string name, std::vector<std::int64_t> silences_ns) {
  FailoverFigures::Cause cause{.name = std::move(name), .times = static_cast<std::uint32_t>(silences_ns.size())};
  if (silences_ns.empty()) return cause;
  std::ranges::sort(silences_ns);
  // The smallest that is not exceeded by more than the rest of them.
  const auto at = [&](double share) {
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(silences_ns.size()));
    return milliseconds_of(silences_ns[std::min(rank, silences_ns.size() - 1)]);
  };
  cause.p50_ms = at(0.50);
  cause.p99_ms = at(0.99);
  cause.max_ms = milliseconds_of(silences_ns.back());
  return cause;
}

Result<FailoverFigures> fail_over(const FailoverOptions& options) {
  const bool wants_lab =
      options.faults.empty() ? options.network : std::ranges::any_of(options.faults, [](Fault fault) {
        return needs_lab(fault) || fault == Fault::kDiskFull;
      });
  const auto no_lab = wants_lab ? NetworkLab::why_not() : std::string();
  if (!no_lab.empty()) {
    if (!options.faults.empty()) return Error{ErrorCode::UNAVAILABLE, no_lab};
    std::fprintf(stderr, "without faults of the network and of disks: %s\n", no_lab.c_str());
  }
  const bool with_lab = wants_lab && no_lab.empty();
  Scene scene(options);
  if (auto started = scene.start(with_lab); !started.ok()) return started.error();
  Faults faults(scene.cluster(), scene.lab(), scene.small_disk(), options.seed);
  std::int64_t calm_from_ns = 0, calm_until_ns = 0;
  Run run{.job = failover_job(options.rate, options.nodes),
          .timing = {.warmup_s = 1, .measured_s = 0},
          .addresses = scene.addresses(),
          .run_name = std::to_string(getpid()) + "-" + std::to_string(now_ns())};
  run.throughout = [&](const Progress&) -> Result<void> {
    calm_from_ns = now_ns();
    if (auto calm = sleep_until_ns(calm_from_ns + kCalmNs); !calm.ok()) return calm;
    calm_until_ns = now_ns();
    return play(options, faults, scene.lab());
  };
  const auto outcome = conduct(run);
  if (!outcome.ok()) return outcome.error();

  FailoverFigures figures{
      .causes = {summed_up("nothing", {longest_of(outcome->silences, calm_from_ns, calm_until_ns)})},
      .accepted = outcome->accepted,
      .delivered = outcome->delivered,
      .lost = outcome->row.lost,
      .doubled = outcome->row.duplicated,
      .out_of_order = outcome->row.out_of_order,
      .events_per_s = outcome->row.events_per_s};
  std::map<std::string, std::vector<std::int64_t>> by_cause;
  for (const auto& window : faults.windows())
    by_cause[window.name].push_back(longest_of(outcome->silences, window.from_ns, window.until_ns));
  for (auto& [name, silences_ns] : by_cause) figures.causes.push_back(summed_up(name, std::move(silences_ns)));
  return figures;
}

Result<void> run_failover(const FailoverOptions& options) {
  catch_interrupts();
  const auto figures = fail_over(options);
  if (!figures.ok()) return figures.error();
  if (options.json)
    print_line(json_of(*figures, options));
  else
    print_table(*figures);
  if (figures->is_sound()) return {};
  return Error{ErrorCode::UNAVAILABLE, "something was lost, doubled or out of order"};
}

}  // namespace carillon::bench
