// One life of a simulated node that is alone: a store, a journal, and partitions with their hubs, as in actors/.
//
// The protocol between them is that of actors/journal.cc, actors/partition.cc and actors/hub.cc, message by message; a
// change there belongs here too. Destroyed when the process dies; what its store has on disk stays in the World's env.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/partition.h"
#include "runtime/store.h"
#include "tests/simulation/entrance.h"
#include "tests/simulation/inbox.h"
#include "tests/simulation/partition_host.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

inline constexpr const char* kStoreDirectory = "/store";

// A store of a simulation on `env`; a failure while faults are due.
Result<std::unique_ptr<runtime::Store>> open_store(const World& world, testing::FaultyEnv& env);

class Node final : public Entrance {
 public:
  // Opens the store and loads all partitions. Null when a fault came in between.
  static std::unique_ptr<Node> start(World& world);
  ~Node() override;

  Gateway& gateway() override { return *gateway_; }
  bool read_only() const { return store_->read_only(); }
  const runtime::Storage& storage() const { return *store_; }

  PartitionId partition_of(const EntityId& entity) const override {
    return entity.partition_of(world_->settings.partitions);
  }
  void publish(PartitionId partition, runtime::PublishRequest request, std::uint64_t life) override;

  void open_session(std::shared_ptr<Session> session) override;
  void close_session(runtime::SessionId session) override;
  void follow(const EntityId& entity, runtime::Follower follower) override;
  void read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) override;
  void list_dead_letters(PartitionId partition, ListAnswer answer) override;
  void operate(const EntityId& entity, Offset offset, bool redrive, OperationAnswer answer) override;

  // --- Faults.

  // Some hub's actor dies, if one is active.
  void kill_some_hub();
  // Some partition meets a bug.
  void reload_some_partition();

  // --- For the end.

  // Idle hubs rest at once, as in a drain.
  void rest_soon();
  std::size_t active_hubs() const;

 private:
  struct Commit {
    std::uint16_t partition;
    runtime::WriteSet writes;
  };

  Node(World& world, std::unique_ptr<runtime::Store> store);
  PartitionHost::Outside outside_of(std::uint16_t partition);
  void reloaded(std::uint16_t partition);

  void enqueue(Commit commit);
  void write();

  World* world_;
  std::unique_ptr<runtime::Store> store_;
  std::vector<std::unique_ptr<PartitionHost>> partitions_;
  std::map<runtime::SessionId, std::shared_ptr<Session>> sessions_;
  std::unique_ptr<Gateway> gateway_;

  std::vector<Commit> waiting_;  // At the journal.
  bool gathering_ = false;
  std::shared_ptr<Inbox> disk_;  // The journal's thread.
  std::shared_ptr<bool> alive_;  // Timers look whether the node still is.
};

}  // namespace carillon::simulation
