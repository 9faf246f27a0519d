// What the node itself publishes, on nobody's behalf: positions that clients store, who comes and goes. Belongs to the gateway's
// thread.
//
// Events to one partition are stored in the order in which they were given, once, however often the partition is busy or away
// meanwhile; one partition does not wait for another. So each partition has a lane of its own, with one call under way
// at a time.
#pragma once

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "actors/edge.h"
#include "actors/publish_path.h"

namespace carillon::actors {

class NodePublisher final : private kj::TaskSet::ErrorHandler {
 public:
  // On whose behalf: what clients ask for leaves room for what the node has to say.
  enum class For { kClients, kNode };
  static constexpr std::size_t kWaitingMax = 65'536;  // Events for each that are not yet stored, of all lanes,
  static constexpr std::size_t kLanesFull = 4;        // in so many lanes that are full.

  // `name` is this process's own: another one, of this node too, has another.
  NodePublisher(Edge& edge, const std::string& name);

  bool has_room(For whom) const { return waiting_[static_cast<std::size_t>(whom)] < kWaitingMax; }
  bool has_room(For whom, const EntityId& entity) const;
  // Done when the event is on stable storage. OVERLOADED when there is no room; otherwise what the node refuses for good.
  // Busy and absent partitions are waited for, as long as it takes.
  kj::Promise<Result<void>> publish(For whom, EntityId entity, std::string type, std::string payload);

 private:
  static constexpr std::uint32_t kEventsInCall = 256;

  struct Item {
    For whom;
    EntityId entity;
    std::string type, payload;
    Sequence sequence = 0;
    kj::Own<kj::PromiseFulfiller<Result<void>>> stored;
  };
  struct Lane {
    ProducerId producer;
    Sequence last = 0;
    std::deque<Item> waiting;             // Those of the call under way first.
    std::array<std::size_t, 2> counts{};  // Of them, for each.
    bool busy = false;
  };

  kj::Promise<void> work(Lane& lane);
  // Removes what is done with; how long to wait before what is left is tried again.
  std::chrono::milliseconds settle(Lane& lane, std::uint32_t count, const runtime::PublishOutcome& outcome);
  void taskFailed(kj::Exception&& failed) override;

  Edge& edge_;
  PublishPath path_;
  std::deque<Lane> lanes_;                // By partition.
  std::array<std::size_t, 2> waiting_{};  // For each.
  kj::TaskSet tasks_;
};

}  // namespace carillon::actors
