// One life of a simulated node: a store, a journal, partitions and their hubs, as in actors/, without CAF.
//
// The protocol between them is that of actors/journal.cc, actors/partition.cc and actors/hub.cc, message by message; a
// change there belongs here too. Destroyed when the process dies; what its store has on disk stays in the World's env.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/partition.h"
#include "runtime/store.h"
#include "tests/simulation/inbox.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

class Gateway;
class Session;

inline constexpr const char* kStoreDirectory = "/store";

// The store of a simulation; a failure while faults are due.
Result<std::unique_ptr<runtime::Store>> open_store(World& world);

class Node {
 public:
  // Opens the store and loads all partitions. Null when a fault came in between.
  static std::unique_ptr<Node> start(World& world);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Gateway& gateway() { return *gateway_; }
  bool read_only() const { return store_->read_only(); }
  const runtime::Storage& storage() const { return *store_; }

  PartitionId partition_of(const EntityId& entity) const { return entity.partition_of(world_->settings.partitions); }
  void publish(PartitionId partition, runtime::PublishRequest request, std::uint64_t life);

  void open_session(std::shared_ptr<Session> session);
  void close_session(runtime::SessionId session);
  void follow(const EntityId& entity, runtime::Follower follower);
  void read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer);

  using ListAnswer = std::function<void(std::vector<runtime::DeadLetterEntry>)>;
  void list_dead_letters(PartitionId partition, ListAnswer answer);
  // An error when nobody knows whether it was done.
  using OperationAnswer = std::function<void(Result<Offset>)>;
  void operate(const EntityId& entity, Offset offset, bool redrive, OperationAnswer answer);

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
  struct Hub;
  struct PartitionActor {
    PartitionId id;
    std::shared_ptr<Inbox> inbox;
    std::shared_ptr<Inbox> reader;  // Reads pages.
    std::unique_ptr<runtime::Partition> partition;
    std::map<EntityId, std::shared_ptr<Hub>> hubs;
    bool commit_under_way = false;
    bool reload_wanted = false;
    std::uint64_t reloads = 0;
    std::uint64_t operations = 0;
    std::map<std::uint64_t, OperationAnswer> operation_answers;
  };
  struct Commit {
    std::uint16_t partition;
    runtime::WriteSet writes;
  };

  Node(World& world, std::unique_ptr<runtime::Store> store);

  template <class Input>
  void run(PartitionActor& actor, Input&& input);
  bool load(PartitionActor& actor);
  void perform(PartitionActor& actor);
  void dismiss(PartitionActor& actor, const EntityId& entity);
  void activate(PartitionActor& actor, const runtime::Outputs::Activation& activation);
  void tick(PartitionActor& actor);

  void work(Hub& hub);
  void rest_if_idle(Hub& hub);
  void rest_due(Hub& hub);
  void hub_ended(Hub& hub);

  void enqueue(Commit commit);
  void write();

  World* world_;
  std::unique_ptr<runtime::Store> store_;
  Catalogue catalogue_;
  std::vector<PartitionActor> partitions_;
  std::map<runtime::SessionId, std::shared_ptr<Session>> sessions_;
  std::unique_ptr<Gateway> gateway_;
  bool resting_soon_ = false;

  std::vector<Commit> waiting_;  // At the journal.
  bool gathering_ = false;
  std::shared_ptr<Inbox> disk_;  // The journal's thread.
  std::shared_ptr<bool> alive_;  // Timers look whether the node still is.
};

}  // namespace carillon::simulation
