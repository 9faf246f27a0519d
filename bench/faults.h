// What can happen to a cluster of real processes: each fault is done, borne for a while, undone, and waited for until all
// is in sync again. Notes when what was under way, so that the silences of clients can be told apart by their cause.
//
// Used by the thread of its ClusterProcess.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/cluster_process.h"
#include "bench/network_lab.h"
#include "messages/result.h"

namespace carillon::bench {

enum class Fault {
  kKill,      // SIGKILL of the node with the most primaries; started again after a while.
  kStop,      // SIGSTOP of it, and SIGCONT after its successors were chosen.
  kDrain,     // SIGTERM of it: it hands over and ends; started again.
  kRestart,   // The same for all nodes, one after the other.
  kEtcdDown,  // SIGKILL of etcd for a while.
  kWipe,      // SIGKILL, and it comes back with an empty disk.
  kDiskFull,  // No more room on its disk; SIGKILL, room again, started again.
  kCut,       // Cut off from everything but its clients. From here on a network lab is needed.
  kCutPair,   // Two nodes cannot reach each other; both reach etcd and the third.
  kOneWay,    // What it sends is lost, what it is sent arrives.
  kSlow,      // Its packets come 5 to 25 ms late, and one in fifty is lost.
};
std::string_view name_of(Fault fault);
bool needs_lab(Fault fault);

class Faults {
 public:
  // One fault, or the return from it.
  struct Window {
    std::string name;
    std::int64_t from_ns = 0, until_ns = 0;
  };

  // `lab` may be null; `small_disk` is the number of the node whose data lie on a small file system, or none.
  Faults(ClusterProcess& cluster, NetworkLab* lab, std::optional<std::size_t> small_disk, std::uint64_t seed)
      : cluster_(cluster), lab_(lab), small_disk_(small_disk), dice_(seed) {}

  // All of it. An error when the cluster does not come back.
  Result<void> happen(Fault fault);

  const std::vector<Window>& windows() const { return windows_; }

 private:
  // Everything from here to the next window, or to the end of `happen`, belongs to this one.
  void open_window(std::string name);
  void close_window();
  Result<std::size_t> victim();
  Result<void> come_back(std::size_t node, std::string_view from);
  Result<void> await_left_out(std::size_t node);

  Result<void> kill(bool wipe);
  Result<void> stop();
  Result<void> drain();
  Result<void> restart();
  Result<void> etcd_down();
  Result<void> disk_full();
  Result<void> network(Fault fault);

  ClusterProcess& cluster_;
  NetworkLab* lab_;
  std::optional<std::size_t> small_disk_;
  std::mt19937_64 dice_;
  std::vector<Window> windows_;
  bool window_open_ = false;
};

}  // namespace carillon::bench
