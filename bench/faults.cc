#include "bench/faults.h"

#include <algorithm>
#include <utility>

#include "bench/clock.h"
#include "bench/interrupt.h"

namespace carillon::bench {
namespace {

constexpr std::int64_t kBorneNs = 1'500 * kMillisecond;     // By when a killed node's successors are long at work.
constexpr std::int64_t kStoppedNs = 3'000 * kMillisecond;   // A node that is silent without a closed socket.
constexpr std::int64_t kEtcdAwayNs = 6'000 * kMillisecond;  // Longer than any lease.
constexpr std::int64_t kFullNs = 3'000 * kMillisecond;
constexpr std::int64_t kAftermathNs = 500 * kMillisecond;  // What a fault's end itself may bring.
constexpr std::chrono::seconds kLeftOutWithin{15};

Result<void> bear(std::int64_t time_ns) { return sleep_until_ns(now_ns() + time_ns); }

}  // namespace

std::string_view name_of(Fault fault) {
  switch (fault) {
    case Fault::kKill:
      return "kill";
    case Fault::kStop:
      return "stop";
    case Fault::kDrain:
      return "drain";
    case Fault::kRestart:
      return "restart";
    case Fault::kEtcdDown:
      return "etcd down";
    case Fault::kWipe:
      return "wipe";
    case Fault::kDiskFull:
      return "disk full";
    case Fault::kCut:
      return "cut off";
    case Fault::kCutPair:
      return "cut link";
    case Fault::kOneWay:
      return "one way";
    case Fault::kSlow:
      return "slow, lossy";
  }
  return "?";
}

bool needs_lab(Fault fault) { return fault >= Fault::kCut; }

Result<void> Faults::happen(Fault fault) {
  auto done = [&]() -> Result<void> {
    switch (fault) {
      case Fault::kKill:
        return kill(/*wipe=*/false);
      case Fault::kWipe:
        return kill(/*wipe=*/true);
      case Fault::kStop:
        return stop();
      case Fault::kDrain:
        return drain();
      case Fault::kRestart:
        return restart();
      case Fault::kEtcdDown:
        return etcd_down();
      case Fault::kDiskFull:
        return disk_full();
      default:
        return network(fault);
    }
  }();
  close_window();
  if (!done.ok()) return Error{done.error().code, std::string(name_of(fault)) + ": " + done.error().message};
  return {};
}

void Faults::open_window(std::string name) {
  close_window();
  windows_.push_back({std::move(name), now_ns(), 0});
  window_open_ = true;
}

void Faults::close_window() {
  if (std::exchange(window_open_, false)) windows_.back().until_ns = now_ns();
}

// One of those with the most primaries.
Result<std::size_t> Faults::victim() {
  const auto counts = cluster_.primaries();
  if (!counts.ok()) return counts.error();
  const auto most = std::ranges::max(*counts);
  std::vector<std::size_t> candidates;
  for (std::size_t node = 0; node < counts->size(); ++node)
    if ((*counts)[node] == most) candidates.push_back(node);
  return candidates[dice_() % candidates.size()];
}

Result<void> Faults::come_back(std::size_t node, std::string_view from) {
  open_window("return from " + std::string(from));
  if (cluster_.node(node).process() == 0)
    if (const auto started = cluster_.node(node).start(); !started.ok()) return started.error();
  if (auto together = cluster_.await_in_sync(); !together.ok()) return together;
  return bear(kAftermathNs);
}

Result<void> Faults::await_left_out(std::size_t node) {
  return cluster_.await(
      [&](const ClusterProcess::Records& all) {
        return std::ranges::none_of(all, [&](const auto& of) {
          return std::ranges::any_of(of.second.in_sync,
                                     [&](const auto& replica) { return replica.node == cluster_.name(node); });
        });
      },
      "that " + cluster_.name(node) + " is left out", kLeftOutWithin);
}

Result<void> Faults::kill(bool wipe) {
  const auto node = victim();
  if (!node.ok()) return node.error();
  open_window(wipe ? "wipe" : "kill");
  cluster_.node(*node).kill();
  if (auto borne = bear(kBorneNs); !borne.ok()) return borne;
  if (auto left_out = await_left_out(*node); !left_out.ok()) return left_out;
  if (wipe) cluster_.wipe(*node);
  return come_back(*node, wipe ? "wipe" : "kill");
}

Result<void> Faults::stop() {
  const auto node = victim();
  if (!node.ok()) return node.error();
  open_window("stop");
  cluster_.freeze(*node);
  auto borne = bear(kStoppedNs);
  cluster_.thaw(*node);
  if (!borne.ok()) return borne;
  return come_back(*node, "stop");
}

Result<void> Faults::drain() {
  const auto node = victim();
  if (!node.ok()) return node.error();
  open_window("drain");
  if (const auto stopped = cluster_.node(*node).stop(); !stopped.ok()) return stopped.error();
  if (auto borne = bear(kAftermathNs); !borne.ok()) return borne;
  return come_back(*node, "drain");
}

Result<void> Faults::restart() {
  open_window("restart");
  for (std::size_t node = 0; node < cluster_.size(); ++node) {
    if (const auto stopped = cluster_.node(node).stop(); !stopped.ok()) return stopped.error();
    if (const auto started = cluster_.node(node).start(); !started.ok()) return started.error();
    if (auto together = cluster_.await_in_sync(); !together.ok()) return together;
  }
  return bear(kAftermathNs);
}

Result<void> Faults::etcd_down() {
  open_window("etcd down");
  cluster_.etcd().kill();
  if (auto borne = bear(kEtcdAwayNs); !borne.ok()) return borne;
  open_window("return from etcd down");
  if (auto started = cluster_.etcd().start(); !started.ok()) return started;
  if (auto together = cluster_.await_in_sync(); !together.ok()) return together;
  return bear(kAftermathNs);
}

Result<void> Faults::disk_full() {
  CHECK(small_disk_);
  const std::size_t node = *small_disk_;
  open_window("disk full");
  if (auto full = fill_disk(cluster_.node(node).data_directory()); !full.ok()) return full;
  auto borne = bear(kFullNs);
  cluster_.node(node).kill();
  if (auto room = empty_disk(cluster_.node(node).data_directory()); !room.ok()) return room;
  if (!borne.ok()) return borne;
  return come_back(node, "disk full");
}

Result<void> Faults::network(Fault fault) {
  CHECK(lab_ != nullptr);
  const auto node = victim();
  if (!node.ok()) return node.error();
  open_window(std::string(name_of(fault)));
  auto done = [&]() -> Result<void> {
    switch (fault) {
      case Fault::kCut:
        return lab_->cut_off(*node);
      case Fault::kCutPair:
        return lab_->cut_between(*node, (*node + 1) % cluster_.size());
      case Fault::kOneWay:
        return lab_->lose_what_it_sends(*node);
      default:
        return lab_->slow_down(*node);
    }
  }();
  if (done.ok()) done = bear(kStoppedNs);
  const auto healed = lab_->heal();
  if (!done.ok()) return done;
  if (!healed.ok()) return healed;
  return come_back(*node, name_of(fault));
}

}  // namespace carillon::bench
