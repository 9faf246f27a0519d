// One life of a node of a simulated cluster: a store, a journal, a replica of each partition, and above those that are
// primary the real runtime::Partition with its hubs. Gateways of all nodes serve every entity.
//
// What travels between nodes here is what links carry in actors/: messages of replicas; publishes, follows and pages on
// their way to the primary and back; emissions and their acknowledgements. The rules of the way:
// - A gateway numbers its way to a partition (`life`). Whoever refuses something on a way refuses all that follows on it,
//   and says that it is broken; the gateway refuses what was not answered and begins a new way. So nothing overtakes (P3).
// - A primary that is lost or loaded anew breaks all ways to it. So does a link that breaks, at both ends.
// - Emissions are repeated (RestartHubs) when the way to their target may have lost some. Acknowledgements go
//   to the primary as the map says, or to the one from which emissions came, when that is of a later epoch.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cluster/replica.h"
#include "runtime/store.h"
#include "tests/simulation/entrance.h"
#include "tests/simulation/etcd_model.h"
#include "tests/simulation/inbox.h"
#include "tests/simulation/network.h"
#include "tests/simulation/partition_host.h"
#include "tests/simulation/world.h"
#include "tests/support/failing_reads.h"

namespace carillon::simulation {

// Chosen by the seed, on top of `Settings`.
struct ClusterSettings {
  std::size_t nodes = 3;
  std::size_t replicas = 3;
  std::uint16_t min_in_sync = 1;
  cluster::ReplicaTimeouts timeouts;
  cluster::ReplicaLimits limits;
  double drop_chance = 0;  // Of a message between replicas.
};

// What must be true of all nodes at any time, whoever believes what (P1, P8).
class Witness {
 public:
  explicit Witness(World& world) : world_(&world) {}

  // A primary says that the entry at `index`, with these bytes, is committed.
  void committed(std::uint16_t partition, cluster::Index index, const std::string& node, const std::string& bytes);
  // A primary is about to answer a read with what is applied up to `applied`.
  void reads(std::uint16_t partition, cluster::Index applied, const std::string& node);

 private:
  struct Told {
    cluster::Index index = 0;
    std::map<cluster::Index, std::string> entries;
  };
  World* world_;
  std::map<std::uint16_t, Told> told_;
};

// What the nodes of a cluster share.
struct ClusterWorld {
  World& world;
  ClusterSettings settings;
  EtcdModel& etcd;
  Network& network;
  Witness& witness;
};

// A machine: what is left of a node when its process has died.
struct Machine {
  std::size_t number = 0;
  std::string name;
  std::string store_id;  // Of the disk that it has now.
  std::unique_ptr<testing::FaultyEnv> env;
  Micros clock_offset = 0;  // Of its monotonic clock.
  double clock_rate = 1;
  UnixMs wall_offset = 0;
  std::uint64_t lives = 0;
};

class ClusterNode final : public Entrance {
 public:
  // Null when a fault came in between.
  static std::unique_ptr<ClusterNode> start(const ClusterWorld& cluster, Machine& machine);
  ~ClusterNode() override;

  const Machine& machine() const { return *machine_; }
  cluster::ReplicaId id() const { return {machine_->name, machine_->store_id}; }
  bool read_only() const { return store_->read_only(); }
  const runtime::Storage& storage() const { return *store_; }
  const cluster::Replica& replica(std::uint16_t partition) const { return *partitions_[partition].replica; }
  bool serves(std::uint16_t partition) const { return partitions_[partition].host->is_open(); }

  Gateway& gateway() override { return *gateway_; }
  PartitionId partition_of(const EntityId& entity) const override {
    return entity.partition_of(world().settings.partitions);
  }
  void publish(PartitionId partition, runtime::PublishRequest request, std::uint64_t life) override;
  void open_session(std::shared_ptr<Session> session) override;
  void close_session(runtime::SessionId session) override;
  void follow(const EntityId& entity, runtime::Follower follower) override;
  void read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) override;
  void list_dead_letters(PartitionId partition, ListAnswer answer) override;
  void operate(const EntityId& entity, Offset offset, bool redrive, OperationAnswer answer) override;

  // --- From the network.
  void link_changed(std::size_t peer, bool up, std::uint64_t link);

  // --- Faults and orders.
  void sleep_until(Micros time);
  // Until then its disk answers no write, nor fails.
  void hang_disk_until(Micros time);
  bool is_asleep() const { return *asleep_until_ > world().schedule.now(); }
  void kill_some_hub();
  void reload_some_partition();
  void hand_over_some_partition();
  void rest_soon();
  std::size_t active_hubs() const;

 private:
  // The way from a gateway to a primary, as the primary sees it.
  struct Way {
    std::uint64_t life = 0;
    std::uint64_t host_life = 0;
    bool broken = false;
  };
  struct PartitionActor {
    std::unique_ptr<cluster::Replica> replica;
    std::optional<cluster::PartitionRecord> record;  // As last heard of.
    cluster::Revision revision = 0;
    std::unique_ptr<PartitionHost> host;
    bool performing = false;
    std::uint32_t lives = 0;           // Of the replica.
    std::size_t writes = 0;            // Of the replica, at the journal.
    std::deque<std::string> appended;  // And not committed: the bytes of the entries.
    // The way from this node's gateway.
    std::size_t route = 0;
    std::size_t emissions_from = 0;  // The node from which emissions of this partition's hubs came last, and its epoch.
    cluster::Epoch emissions_epoch = 0;
    cluster::Epoch route_epoch = 0;
    std::uint64_t route_life = 0;
    std::map<std::uint64_t, std::function<void(Result<EventRun>)>> pages;  // Asked for, by number.
    std::map<std::size_t, Way> ways;                                       // From the gateways of all nodes.
    std::map<std::size_t, std::uint64_t> links;                            // Those that this actor has heard of.
  };
  struct Commit {
    std::uint16_t partition;
    cluster::Write write;
  };

  ClusterNode(const ClusterWorld& cluster, Machine& machine, std::unique_ptr<runtime::Store> store);
  bool open_replicas();
  bool open_replica(std::uint16_t partition);
  void throw_away_replica(std::uint16_t partition);
  void look_again_after(std::uint16_t partition, Micros delay);
  bool read_fails();
  World& world() const { return cluster_.world; }
  cluster::Instant now() const;  // Monotonic.
  UnixMs wall() const { return world().wall() + machine_->wall_offset; }
  PartitionHost::Outside outside_of(std::uint16_t partition);
  std::size_t number() const { return machine_->number; }
  std::size_t number_of(const std::string& node) const;

  // Calls on the partition's thread.
  template <class Input>
  void at(std::uint16_t partition, Input input);
  void perform(std::uint16_t partition);
  void happened(std::uint16_t partition, const cluster::ReplicaEvent& event);
  void tick();

  void record_changed(std::uint16_t partition, const cluster::PartitionRecord& record, cluster::Revision revision);
  void break_publish_way(std::uint16_t partition);  // Of this gateway.
  void break_way(std::uint16_t partition);          // And that of its readers.
  bool is_linked(std::uint16_t partition, std::size_t to) const { return partitions_[partition].links.contains(to); }
  void send(std::uint16_t partition, std::size_t to, std::function<void(ClusterNode& at)> message);
  void break_all_ways(std::uint16_t partition);              // To this primary.
  void way_broken(std::uint16_t partition, std::size_t by);  // Said by `by`.
  void take_in(std::uint16_t partition, std::size_t from, std::uint64_t life, runtime::PublishRequest request);
  void refused(std::uint16_t partition, std::size_t by, std::uint64_t life);
  Result<runtime::Extent> serve_follow(const EntityId& entity, runtime::Follower follower);
  void serve_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer);
  bool may_read(std::uint16_t partition);
  void restart_hubs_soon(std::uint16_t target);

  void enqueue(Commit commit);
  void write();
  void write(std::span<Commit> commits, bool sync);

  ClusterWorld cluster_;
  Machine* machine_;
  std::unique_ptr<runtime::Store> store_;
  testing::FailingReads reads_;  // The same, as replicas meet it.
  bool opening_ = false;
  std::shared_ptr<Micros> asleep_until_, disk_hangs_until_;
  std::vector<PartitionActor> partitions_;
  std::map<runtime::SessionId, std::shared_ptr<Session>> sessions_;
  std::unique_ptr<Gateway> gateway_;
  std::uint64_t pages_ = 0;
  std::set<std::uint16_t> restarts_due_;

  std::vector<Commit> waiting_;  // At the journal.
  bool gathering_ = false;
  std::shared_ptr<Inbox> disk_;
  std::shared_ptr<Inbox> disk_answers_;
  std::shared_ptr<bool> alive_;
};

}  // namespace carillon::simulation
