#include "bench/reconfiguration_bench.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "bench/clock.h"
#include "bench/cluster_process.h"
#include "bench/conductor.h"
#include "bench/failover_bench.h"
#include "bench/interrupt.h"
#include "bench/meter.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

constexpr std::int64_t kCalmNs = 10 * kSecond;
constexpr std::int64_t kAfterNs = 5 * kSecond;
constexpr std::int64_t kLookEveryNs = 50 * kMillisecond;
constexpr std::int64_t kSettledNs = 3 * kSecond;  // So long nothing moves before the moving is over.
constexpr std::chrono::minutes kInSyncWithin{10}, kLeftOutWithin{1};

std::string_view name_of(ReconfigurationPart part) {
  switch (part) {
    case ReconfigurationPart::kAway:
      return "away";
    case ReconfigurationPart::kWiped:
      return "wiped";
    case ReconfigurationPart::kJoining:
      return "joining";
    case ReconfigurationPart::kEtcdDown:
      return "etcd-down";
  }
  return "?";
}

// Where placement wants copies, and where they are in sync.
using Copies = std::set<std::pair<PartitionId, cluster::NodeName>>;
Copies in_sync_copies(const ClusterProcess::Records& records) {
  Copies copies;
  for (const auto& [partition, record] : records)
    for (const auto& replica : record.in_sync) copies.emplace(partition, replica.node);
  return copies;
}
Copies wanted_copies(const ClusterProcess::Records& records) {
  Copies copies;
  for (const auto& [partition, record] : records)
    for (const auto& node : record.replicas) copies.emplace(partition, node);
  return copies;
}

// One part: the cluster, what is done to it, and when.
class Play {
 public:
  Play(const ReconfigurationOptions& options, ReconfigurationPart part, ClusterProcess& cluster,
       const Progress& progress)
      : options_(options), part_(part), cluster_(cluster), progress_(progress) {}

  Result<void> run() {
    // Samples until it goes out of scope; `meter_` is read only after that.
    const std::jthread sampler([this](const std::stop_token& over) {
      while (!over.stop_requested()) {
        meter_.sample(now_ns(), progress_.accepted());
        std::this_thread::sleep_for(std::chrono::nanoseconds(kLookEveryNs));
      }
    });
    begin("nothing");
    if (auto calm = pass(kCalmNs); !calm.ok()) return calm;
    if (auto done = act(); !done.ok()) return done;
    begin("afterwards");
    if (auto after = pass(kAfterNs); !after.ok()) return after;
    end();
    return {};
  }

  std::vector<ReconfigurationPhase> phases(const std::vector<Silence>& silences) const {
    std::vector<ReconfigurationPhase> phases;
    for (const auto& span : spans_)
      phases.push_back({.name = span.name,
                        .seconds = seconds_of(span.until_ns - span.from_ns),
                        .events_per_s = meter_.rate(span.from_ns, span.until_ns),
                        .lowest_events_per_s = meter_.lowest_rate(span.from_ns, span.until_ns),
                        .unanswered = span.unanswered,
                        .longest_silence_ms = milliseconds_of(longest_of(silences, span.from_ns, span.until_ns))});
    return phases;
  }
  std::size_t copies() const { return copies_; }
  std::size_t copies_moved() const { return copies_moved_; }

 private:
  struct Span {
    std::string name;
    std::int64_t from_ns = 0, until_ns = 0;
    std::uint64_t unanswered = 0;  // Until the end of it: so many more than at its beginning.
  };

  void begin(std::string name) {
    end();
    spans_.push_back({std::move(name), now_ns(), 0, progress_.unanswered()});
  }
  void end() {
    if (spans_.empty()) return;
    spans_.back().until_ns = now_ns();
    spans_.back().unanswered = progress_.unanswered() - spans_.back().unanswered;
  }
  static Result<void> pass(std::int64_t time_ns) { return sleep_until_ns(now_ns() + time_ns); }

  Result<void> act() {
    switch (part_) {
      case ReconfigurationPart::kAway:
      case ReconfigurationPart::kWiped:
        return miss_events();
      case ReconfigurationPart::kJoining:
        return join();
      case ReconfigurationPart::kEtcdDown:
        return lose_etcd();
    }
    return {};
  }

  Result<void> miss_events() {
    const std::size_t node = cluster_.size() - 1;
    begin("a node is away");
    cluster_.node(node).kill();
    const auto from = progress_.accepted();
    while (progress_.accepted() - from < options_.behind)
      if (auto slept = pass(kLookEveryNs); !slept.ok()) return slept;
    if (part_ == ReconfigurationPart::kWiped) cluster_.wipe(node);
    return bring_back(node);
  }

  Result<void> bring_back(std::size_t node) {
    begin("brought in sync");
    if (const auto started = cluster_.node(node).start(); !started.ok()) return started.error();
    return cluster_.await_in_sync(kInSyncWithin);
  }

  Result<void> join() {
    const auto before = cluster_.records();
    if (!before.ok()) return before.error();
    begin("a node joins");
    if (auto added = cluster_.add_node(); !added.ok()) return added;
    ClusterProcess::Records seen;
    std::int64_t moved_ns = now_ns();
    const auto newcomer = cluster_.name(cluster_.size() - 1);
    const auto settled = [&](const ClusterProcess::Records& all) {
      if (all != seen) moved_ns = now_ns();
      seen = all;
      const auto copies = in_sync_copies(all);
      return copies == wanted_copies(all) && now_ns() - moved_ns > kSettledNs &&
             std::ranges::any_of(copies, [&](const auto& copy) { return copy.second == newcomer; });
    };
    if (auto done = cluster_.await(settled, "that the new node has its share", kInSyncWithin); !done.ok()) return done;
    const auto copies = in_sync_copies(seen), copies_before = in_sync_copies(*before);
    copies_ = copies.size();
    copies_moved_ = static_cast<std::size_t>(
        std::ranges::count_if(copies, [&](const auto& copy) { return !copies_before.contains(copy); }));
    return {};
  }

  Result<void> lose_etcd() {
    begin("etcd is away");
    cluster_.etcd().kill();
    if (auto away = pass(static_cast<std::int64_t>(options_.etcd_down_s * 1e9)); !away.ok()) return away;
    begin("etcd is back");
    if (auto started = cluster_.etcd().start(); !started.ok()) return started;
    if (auto together = cluster_.await_in_sync(kInSyncWithin); !together.ok()) return together;
    if (auto calm = pass(kAfterNs); !calm.ok()) return calm;
    begin("then a node is killed");
    const std::size_t node = cluster_.size() - 1;
    cluster_.node(node).kill();
    const auto left_out = [&](const ClusterProcess::Records& all) {
      return std::ranges::none_of(in_sync_copies(all),
                                  [&](const auto& copy) { return copy.second == cluster_.name(node); });
    };
    if (auto done = cluster_.await(left_out, "that the node is left out", kLeftOutWithin); !done.ok()) return done;
    return bring_back(node);
  }

  const ReconfigurationOptions& options_;
  const ReconfigurationPart part_;
  ClusterProcess& cluster_;
  const Progress& progress_;
  Meter meter_;
  std::vector<Span> spans_;
  std::size_t copies_ = 0, copies_moved_ = 0;
};

std::string json_of(const ReconfigurationFigures& figures, ReconfigurationPart part, double rate) {
  JsonWriter json;
  json.begin_object()
      .field("system", "carillon")
      .field("bench", "reconfiguration")
      .field("part", name_of(part))
      .field("rate", rate)
      .field("accepted", figures.accepted)
      .field("lost", figures.lost)
      .field("doubled", figures.doubled)
      .field("out_of_order", figures.out_of_order);
  if (figures.copies > 0) json.field("copies", figures.copies).field("copies_moved", figures.copies_moved);
  json.key("phases").begin_array();
  for (const auto& phase : figures.phases)
    json.begin_object()
        .field("phase", phase.name)
        .field("seconds", phase.seconds)
        .field("events_per_s", phase.events_per_s)
        .field("lowest_events_per_s", phase.lowest_events_per_s)
        .field("unanswered", phase.unanswered)
        .field("longest_silence_ms", phase.longest_silence_ms)
        .end_object();
  json.end_array().end_object();
  return std::string(json.text());
}

void print_table(const ReconfigurationFigures& figures, ReconfigurationPart part) {
  const auto count = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  std::printf("%-24s %8s %12s %14s %12s %12s\n", std::string(name_of(part)).c_str(), "seconds", "accepted/s",
              "worst second", "unanswered", "silence ms");
  for (const auto& phase : figures.phases)
    std::printf("%-24s %8.1f %12.0f %14.0f %12llu %12.0f\n", phase.name.c_str(), phase.seconds, phase.events_per_s,
                phase.lowest_events_per_s, count(phase.unanswered), phase.longest_silence_ms);
  std::printf("%llu accepted, %llu lost, %llu doubled, %llu out of order\n", count(figures.accepted),
              count(figures.lost), count(figures.doubled), count(figures.out_of_order));
  if (figures.copies > 0) std::printf("%zu of %zu copies were moved\n", figures.copies_moved, figures.copies);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

Result<ReconfigurationFigures> reconfigure(const ReconfigurationOptions& options, ReconfigurationPart part) {
  ClusterProcess cluster({.nodes = options.nodes,
                          .partitions = options.partitions,
                          .parent_directory = options.data,
                          .arguments = options.serve_arguments,
                          .program = options.program});
  if (auto started = cluster.start(); !started.ok()) return started.error();
  std::unique_ptr<Play> play;
  Run run{.job = failover_job(options.rate, options.nodes),
          .timing = {.warmup_s = 2, .measured_s = 0},
          .addresses = cluster.addresses(),
          .run_name = std::to_string(getpid()) + "-" + std::to_string(now_ns())};
  run.throughout = [&](const Progress& progress) -> Result<void> {
    play = std::make_unique<Play>(options, part, cluster, progress);
    return play->run();
  };
  const auto outcome = conduct(run);
  if (!outcome.ok()) return outcome.error();
  return ReconfigurationFigures{.phases = play->phases(outcome->silences),
                                .accepted = outcome->accepted,
                                .lost = outcome->row.lost,
                                .doubled = outcome->row.duplicated,
                                .out_of_order = outcome->row.out_of_order,
                                .copies = play->copies(),
                                .copies_moved = play->copies_moved()};
}

Result<void> run_reconfiguration(const ReconfigurationOptions& options) {
  catch_interrupts();
  bool sound = true;
  for (const auto part : options.parts) {
    const auto figures = reconfigure(options, part);
    if (!figures.ok()) return Error{figures.error().code, std::string(name_of(part)) + ": " + figures.error().message};
    if (options.json)
      print_line(json_of(*figures, part, options.rate));
    else
      print_table(*figures, part);
    sound = sound && figures->is_sound();
  }
  if (sound) return {};
  return Error{ErrorCode::UNAVAILABLE, "something was lost, doubled or out of order"};
}

}  // namespace carillon::bench
