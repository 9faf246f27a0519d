// The node's side of one subscriber connection (actors/session.cc), with credit counted in events.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/partition.h"
#include "runtime/subscription.h"
#include "tests/simulation/entrance.h"
#include "tests/simulation/inbox.h"

namespace carillon::simulation {

class Session {
 public:
  struct Client {
    std::function<void(std::uint32_t follow, runtime::EventSlice)> deliver;
    std::function<void(std::uint32_t follow, const Error&)> refused;  // The follow begins nowhere, or ended.
  };

  Session(World& world, Entrance& node, runtime::SessionId id, Client client);
  ~Session() { inbox_->close(); }

  runtime::SessionId id() const { return id_; }

  // From the connection.
  void follow_all(std::vector<std::pair<EntityId, Offset>> follows);
  void taken(std::size_t events);

  // From partitions.
  void following(std::uint32_t follow, Result<runtime::Extent> extent);
  void notifications_committed(std::vector<runtime::Delivery> deliveries);
  void partition_reloaded(PartitionId partition);

 private:
  struct Follow {
    EntityId entity;
    Offset from = 1;
    std::optional<runtime::Subscription> subscription;
    bool queued = false;
  };

  bool has_room() const { return under_way_ < world_->settings.credit_events; }
  void pass_on(std::uint32_t follow, runtime::EventSlice events);
  void queue_if_lagging(std::uint32_t index);
  void read_some();
  void page_read(std::uint32_t index, Result<EventRun> run);

  World* world_;
  Entrance* node_;
  runtime::SessionId id_;
  Client client_;
  std::shared_ptr<Inbox> inbox_;
  std::vector<Follow> follows_;
  std::size_t unanswered_ = 0;
  std::deque<std::uint32_t> lagging_;
  std::size_t reads_ = 0;
  std::size_t under_way_ = 0;
  std::size_t largest_ = 0;  // Of the slices passed on; one commit may go beyond the credit.
};

}  // namespace carillon::simulation
