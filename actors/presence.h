// Who is connected here, told to the hubs of presence (actors/presence_behaviour.h). Belongs to one of the gateway's threads, but for
// what says otherwise.
//
// A player is here while somebody holds a Stay of his, and for the grace time after the last one is gone. What cannot be told
// because too much waits to be stored is told later, unless it is over by then. In a cluster one node, that
// which controls placement, also tells for nodes that have vanished; and a node that was taken for vanished tells everything
// again when it is back. So does one that could not say for long that it is alive.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "actors/edge.h"

namespace carillon::actors {

struct ClusterReport;

class PresenceReporter final : private kj::TaskSet::ErrorHandler {
 public:
  static constexpr std::size_t kShards = 8;  // Hubs per node, so that none of them gets all its connections.

  // `store_id` names the node: whoever comes back with another store is another node.
  PresenceReporter(Edge& edge, std::string store_id);

  class Stay {
   public:
    Stay(PresenceReporter& reporter, std::uint64_t connection) : reporter_(reporter), connection_(connection) {}
    ~Stay() {
      reporter_.post([connection = connection_](PresenceReporter& reporter) { reporter.gone(connection); });
    }
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;

   private:
    PresenceReporter& reporter_;
    std::uint64_t connection_;
  };
  // Any thread. The reporter must outlive it.
  std::unique_ptr<Stay> arrived(const std::string& player);

 private:
  void post(std::function<void(PresenceReporter&)> job);
  bool begin(std::size_t shard);
  void begin_anew();
  void heard_by(std::size_t shard);
  void gone(std::uint64_t connection);
  // False when there is no room for it now; then it is called again, by way of tell_of.
  template <class Event>
  [[nodiscard]] bool tell(const std::string& store_id, std::size_t shard, const Event& event);
  void tell_of(std::uint64_t connection);
  void tell_again_later();
  void tell_what_is_untold();
  kj::Promise<void> watch_cluster();
  kj::Promise<void> say_that_we_are_alive();
  void seen(const ClusterReport& report);
  void taskFailed(kj::Exception&& failed) override;

  Edge& edge_;
  std::string store_id_, boot_;
  struct Player {
    std::string name;
    bool is_told = false;  // That the connection opened.
    bool is_gone = false;  // His grace time is over.
  };

  std::array<bool, kShards> has_past_{};               // Which hubs may know of an earlier life,
  std::array<bool, kShards> begun_{};                  // and which have been told of this one.
  std::array<std::size_t, kShards> under_way_{};       // What they are told and has not been stored.
  std::array<Clock::time_point, kShards> alive_at_{};  // When they last heard that it is alive, if there was a need.
  std::atomic<std::uint64_t> last_connection_ = 0;
  std::map<std::uint64_t, Player> players_;           // By connection, until it is told that they are gone.
  bool telling_again_ = false;                        // Soon.
  std::uint64_t registrations_ = 1;                   // In the cluster, of this node.
  std::map<std::string, Clock::time_point> members_;  // By store id: when this node last saw it in the cluster.
  kj::TaskSet tasks_;
};

}  // namespace carillon::actors
