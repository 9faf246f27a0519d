// One partition in charge of its entities, with its hubs: actors/partition.cc and actors/hub.cc without CAF, message by
// message; a change there belongs here too. What it has to do with the rest of its node goes through `Outside`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/partition.h"
#include "tests/simulation/entrance.h"
#include "tests/simulation/inbox.h"
#include "tests/simulation/world.h"
#include "tests/support/failing_reads.h"

namespace carillon::simulation {

class PartitionHost {
 public:
  struct Outside {
    std::function<UnixMs()> wall;
    std::function<bool()> is_powered;
    std::function<void(runtime::WriteSet)> commit;  // Answered by `commit_answered`.
    std::function<void(std::uint16_t target, std::vector<runtime::HubEmissions>)> emissions;
    std::function<void(std::uint16_t source, std::vector<runtime::EmissionAck>)> acks;
    std::function<void(runtime::Published)> published;
    std::function<void(runtime::SessionId, std::vector<runtime::Delivery>)> deliver;
    std::function<void()> reloaded;  // After a reload in place: what was not answered never will be.
    std::shared_ptr<const Micros> asleep_until;
  };

  PartitionHost(World& world, PartitionId id, const runtime::Storage& storage, bool fold_before_commit,
                Outside outside);
  ~PartitionHost();
  PartitionHost(const PartitionHost&) = delete;
  PartitionHost& operator=(const PartitionHost&) = delete;

  PartitionId id() const { return id_; }
  bool is_open() const { return partition_ != nullptr; }
  std::uint64_t life() const { return life_; }

  // False when the disk failed meanwhile.
  bool open();
  // Lets go of everything; operations under way are answered as unknown.
  void close();
  void start();  // After `open`: performs what it wants, and lets time pass.

  // On the partition's thread, in the order of the calls.
  void send(Job job) { inbox_->send(std::move(job)); }
  // At once, and performs what comes of it. Nothing while it is not open.
  template <class Input>
  void run(Input&& input) {
    if (!partition_) return;
    try {
      input(*partition_);
      perform();
    } catch (const BrokenInvariant& bug) {
      world_->broken("no invariant breaks", bug.what());
    }
  }

  void commit_answered(const Result<void>& written);
  void acknowledged(PartitionId by, const std::vector<runtime::EmissionAck>& acks);
  void restart_hubs(PartitionId target);
  Result<runtime::Extent> follow(const EntityId& entity, runtime::Follower follower);
  void unfollow(runtime::SessionId session);
  void read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer);
  void list_dead_letters(Entrance::ListAnswer answer);
  void operate(const EntityId& entity, Offset offset, bool redrive, Entrance::OperationAnswer answer);

  bool kill_some_hub();
  void reload();
  void rest_soon();
  std::size_t active_hubs() const;

 private:
  struct Hub;

  bool load();
  bool read_fails();
  void perform();
  void tick();
  void dismiss(const EntityId& entity);
  void activate(const runtime::Outputs::Activation& activation);
  void work(Hub& hub);
  void restart(const Hub& hub, PartitionId target);
  void rest_if_idle(Hub& hub);
  void rest_due(Hub& hub);
  void hub_ended(Hub& hub);

  World* world_;
  PartitionId id_;
  const runtime::Storage* disk_;
  testing::FailingReads storage_;  // The same, as the partition and its hubs meet it.
  std::uint64_t read_errors_ = 0;  // So far.
  bool opening_ = false;
  bool fold_before_commit_;
  Outside outside_;
  Catalogue catalogue_;
  std::shared_ptr<Inbox> inbox_;
  std::shared_ptr<Inbox> reader_;  // Reads pages.
  std::unique_ptr<runtime::Partition> partition_;
  std::map<EntityId, std::shared_ptr<Hub>> hubs_;
  bool commit_under_way_ = false;
  bool reload_wanted_ = false;
  std::uint64_t life_ = 0;
  std::uint64_t operations_ = 0;
  std::map<std::uint64_t, Entrance::OperationAnswer> operation_answers_;
  bool resting_soon_ = false;
  std::shared_ptr<bool> open_;  // Timers look whether it still is.
};

}  // namespace carillon::simulation
