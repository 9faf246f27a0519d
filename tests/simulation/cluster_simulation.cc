#include "tests/simulation/cluster_simulation.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/key.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/client.h"
#include "tests/simulation/cluster_node.h"
#include "tests/simulation/leftovers.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/subscriber.h"
#include "tests/simulation/towns.h"

namespace carillon::simulation {
namespace {

constexpr Micros kSettleFor = 600'000'000;

ClusterSettings cluster_settings_of(Dice& dice) {
  ClusterSettings settings;
  settings.nodes = static_cast<std::size_t>(dice.between(3, 5));
  settings.replicas = dice.pick<std::size_t>({2, 3, 3});
  settings.min_in_sync = dice.pick<std::uint16_t>({1, 1, 2});
  settings.drop_chance = dice.pick<double>({0, 0, 0.002, 0.02});
  settings.timeouts.discard_after = std::chrono::milliseconds(dice.pick<int>({50, 500, 5'000}));
  auto& limits = settings.limits;
  limits.log_entries_kept = dice.pick<std::uint64_t>({2, 10, 100, 65'536});
  limits.log_bytes_kept = dice.pick<std::uint64_t>({3'000, 256u << 20, 256u << 20});
  limits.append_bytes_max = dice.pick<std::size_t>({1, 2'000, 1u << 20});
  limits.unanswered_bytes_max = dice.pick<std::size_t>({1, 5'000, 8u << 20});
  limits.catching_up_bytes_max = dice.pick<std::size_t>({1, 5'000, 256u << 10});
  limits.chunk_bytes = dice.pick<std::size_t>({1, 500, 256u << 10});
  limits.chunks_ahead = dice.pick<std::uint64_t>({1, 2, 4});
  limits.apply_bytes_max = dice.pick<std::size_t>({1, 3'000, 4u << 20});
  limits.erase_keys_max = dice.pick<std::size_t>({2, 20, 4'096});
  limits.cache_bytes = dice.pick<std::size_t>({0, 1'000, 8u << 20});
  return settings;
}

std::string name_of(std::size_t node) { return "n" + std::to_string(node); }

std::vector<cluster::PartitionRecord> first_records(const World& world, const ClusterSettings& settings,
                                                    const std::vector<Machine>& machines) {
  std::vector<cluster::PartitionRecord> records;
  for (std::uint16_t p = 0; p < world.settings.partitions; ++p) {
    cluster::PartitionRecord record;
    record.epoch = 1;
    for (std::size_t i = 0; i < std::min(settings.replicas, settings.nodes); ++i)
      record.replicas.push_back(machines[(p + i) % settings.nodes].name);
    const auto& first = machines[p % settings.nodes];
    record.primary = {first.name, first.store_id};
    record.in_sync = {record.primary};
    records.push_back(std::move(record));
  }
  return records;
}

// Of each partition, the store of its primary.
class PrimariesStorage final : public runtime::Storage {
 public:
  explicit PrimariesStorage(std::vector<const runtime::Storage*> stores) : stores_(std::move(stores)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override { return of(key).get(key); }
  Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) const override {
    return of(from).scan(from, until, visit);
  }
  Result<void> scan_past_damage(std::string_view from, std::string_view until, const Visit& visit) const override {
    return of(from).scan_past_damage(from, until, visit);
  }
  Result<void> scan_back(std::string_view from, std::string_view until, const Visit& visit) const override {
    return of(from).scan_back(from, until, visit);
  }

 private:
  const runtime::Storage& of(std::string_view key) const {
    const auto partition = (static_cast<unsigned char>(key[0]) << 8 | static_cast<unsigned char>(key[1])) - 1;
    return *stores_.at(static_cast<std::size_t>(partition));
  }
  std::vector<const runtime::Storage*> stores_;
};

class ClusterSimulation {
 public:
  explicit ClusterSimulation(World& world)
      : world_(world),
        settings_(cluster_settings_of(world.dice)),
        machines_(make_machines()),
        etcd_(world, first_records(world, settings_, machines_),
              [this](const auto& before, const auto& after) { aftershock(before, after); }),
        network_(
            world, settings_.nodes, [this](std::size_t node) { return nodes_[node].get(); },
            [this](std::size_t node, std::size_t peer, bool up, std::uint64_t link) {
              if (nodes_[node]) nodes_[node]->link_changed(peer, up, link);
            }),
        witness_(world),
        luck_([&world] { return !world.calm && world.dice.chance(world.settings.failing_chance); }),
        nodes_(settings_.nodes) {}
  ~ClusterSimulation() {
    clients_.clear();
    subscribers_.clear();
    nodes_.clear();
    nodes_.resize(settings_.nodes);
  }
  ClusterSimulation(const ClusterSimulation&) = delete;
  ClusterSimulation& operator=(const ClusterSimulation&) = delete;

  void run() {
    for (auto& machine : machines_) start_node(machine);
    const FindEntrance entrance = [this] { return some_node(); };
    for (std::size_t i = 0; i < world_.settings.clients; ++i)
      clients_.push_back(std::make_unique<Client>(world_, entrance, "client" + std::to_string(i)));
    for (std::size_t i = 0; i < world_.settings.subscribers; ++i)
      subscribers_.push_back(std::make_unique<Subscriber>(world_, entrance, "subscriber" + std::to_string(i)));
    operator_.emplace(world_, entrance);
    if (world_.settings.fault_every > 0) next_fault();
    look_after_nodes();
    control_placement();
    balance_primaries();
    world_.schedule.after(world_.settings.faults_until, [this] { calm_down(); });
    go_on_until_settled();
    compare_replicas();
    // What was acknowledged survives a power cut of all machines at once.
    for (auto& machine : machines_) power_cut(machine);
    settled_ = false;
    see_whether_settled();
    go_on_until_settled();
    compare_replicas();
    judge();
  }

  std::map<std::string, std::uint64_t> disk_faults() const {
    std::map<std::string, std::uint64_t> counts;
    for (const auto& machine : machines_)
      for (std::size_t f = 0; f < testing::kFaultKinds; ++f) {
        const auto fault = static_cast<testing::Fault>(f);
        if (const auto fired = machine.env->fired(fault)) counts[std::string(testing::name_of(fault))] += fired;
      }
    return counts;
  }

 private:
  std::vector<Machine> make_machines() {
    std::vector<Machine> machines;
    for (std::size_t i = 0; i < settings_.nodes; ++i) {
      Machine machine;
      machine.number = i;
      machine.name = name_of(i);
      machine.clock_offset = world_.dice.between(1'000'000, 1'000'000'000);
      machine.clock_rate = 0.97 + 0.06 * static_cast<double>(world_.dice.below(1'000)) / 1'000;
      give_disk(machine);
      machines.push_back(std::move(machine));
    }
    return machines;
  }

  void give_disk(Machine& machine) {
    machine.store_id = "s" + std::to_string(++disks_);
    machine.env = std::make_unique<testing::FaultyEnv>(testing::FaultyEnv::Options{.seed = world_.dice.below(~0ull)});
  }

  ClusterNode* some_node() {
    const auto first = world_.dice.below(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (auto* node = nodes_[(first + i) % nodes_.size()].get()) return node;
    return nullptr;
  }

  ClusterWorld shared() { return {world_, settings_, etcd_, network_, witness_}; }

  void go_on_until_settled() {
    while (!settled_) {
      world_.schedule.step();
      for (auto& machine : machines_)
        if (!machine.env->is_powered() && nodes_[machine.number]) power_failed(machine);
    }
  }

  // --- The nodes' lives.

  void start_node(Machine& machine) {
    auto& dice = world_.dice;
    if (world_.settings.clock_jumps && !world_.calm && dice.chance(0.3)) {
      world_.count("wall clock steps back over a restart");
      machine.wall_offset -= dice.between(1, 600'000);
    }
    const bool risky = !world_.calm && world_.settings.fault_every > 0 && dice.chance(0.05);
    if (risky) {
      world_.count("fault while the store opens");
      const auto after = dice.below(12);
      if (dice.chance(0.5))
        machine.env->set_plan({.power_cut_after_writes = after});
      else
        machine.env->set_plan({.write_error_after_writes = after});
    } else {
      machine.env->set_plan({});  // Whatever ailed the disk is mended before the node starts.
    }
    auto node = ClusterNode::start(shared(), machine);
    if (!machine.env->is_powered()) {
      node.reset();
      machine.env->after_restart();
      return start_later(machine);
    }
    if (node) {
      world_.tell(machine.name + " is up, with disk " + machine.store_id);
      nodes_[machine.number] = std::move(node);
      network_.node_started(machine.number);
      return;
    }
    if (!risky) world_.broken("P1: what is durable can be read", "the store of " + machine.name + " does not open");
    machine.env->after_kill();
    start_later(machine);
  }

  void start_later(Machine& machine) {
    // Sometimes sooner than anybody can miss it.
    const auto most = world_.calm || world_.dice.chance(0.3) ? 50'000 : 600'000;
    world_.schedule.after(world_.dice.between(1'000, most), [this, at = &machine] {
      if (!nodes_[at->number]) start_node(*at);
    });
  }

  void end_node(Machine& machine, bool soon) {
    auto& node = nodes_[machine.number];
    if (!node) return;
    for (const auto& client : clients_) client->node_died(*node);
    for (const auto& subscriber : subscribers_) subscriber->node_died(*node);
    node.reset();
    // Its monotonic clock begins anew with the machine, not with the process.
    network_.node_died(machine.number, soon);
  }

  void power_failed(Machine& machine) {
    world_.tell(machine.name + ": the power fails");
    end_node(machine, false);
    machine.env->after_restart();
    machine.clock_offset = world_.dice.between(1'000'000, 1'000'000'000) -
                           static_cast<Micros>(static_cast<double>(world_.schedule.now()) * machine.clock_rate);
    start_later(machine);
  }

  void power_cut(Machine& machine) {
    if (!nodes_[machine.number]) return;
    machine.env->power_cut();
    power_failed(machine);
  }

  void hang_disk(ClusterNode& node, Machine& machine) {
    world_.count("disk hangs");
    world_.tell("the disk of " + machine.name + " hangs");
    const auto time = world_.dice.between(100'000, 5'000'000);
    node.hang_disk_until(world_.schedule.now() + time);
    if (!world_.dice.chance(0.8)) return;
    // Much is applied right behind that, and little of it synced.
    world_.schedule.after(time + world_.dice.between(0, 10'000), [this, &machine] {
      if (world_.calm) return;
      machine.env->set_plan({.torn_writes = true});
      power_cut(machine);
    });
  }

  void kill_node(Machine& machine, const char* why) {
    if (!nodes_[machine.number]) return;
    world_.tell(machine.name + " is killed: " + why);
    world_.count("node killed");
    end_node(machine, true);
    machine.env->after_kill();
    start_later(machine);
  }

  // Its disk is replaced by an empty one, if what was accepted stands elsewhere. That is looked at once no swap of its own
  // can be under way any more: one might leave it alone in sync.
  void wipe(Machine& machine) {
    if (!nodes_[machine.number]) return;
    world_.tell(machine.name + " is killed, perhaps to lose its disk");
    end_node(machine, true);
    machine.env->after_kill();
    world_.schedule.after(500'000, [this, at = &machine] {
      if (!world_.calm && stands_elsewhere(*at)) {
        world_.count("node comes back with an empty disk");
        world_.tell(at->name + " loses its disk");
        give_disk(*at);
      }
      start_later(*at);
    });
  }

  bool stands_elsewhere(const Machine& machine) const {
    const cluster::ReplicaId id{machine.name, machine.store_id};
    for (std::uint16_t p = 0; p < world_.settings.partitions; ++p) {
      const auto& record = etcd_.record(p);
      if (!record.is_in_sync(id)) continue;
      const bool elsewhere = std::ranges::any_of(record.in_sync, [&](const cluster::ReplicaId& member) {
        return member != id && std::ranges::any_of(machines_, [&](const Machine& other) {
                 return member == cluster::ReplicaId{other.name, other.store_id};
               });
      });
      if (!elsewhere) return false;
    }
    return true;
  }

  // Somebody notices when a store has turned read-only.
  void look_after_nodes() {
    world_.schedule.after(world_.dice.between(50'000, 900'000), [this] {
      look_after_nodes();
      for (auto& machine : machines_) {
        const auto& node = nodes_[machine.number];
        if (!node || !node->read_only()) continue;
        world_.count("read-only store restarted");
        if (world_.dice.chance(0.5))
          kill_node(machine, "its store is read-only");
        else
          power_cut(machine);
        break;
      }
    });
  }

  // One replica at a time: add, wait until it is in sync, drop another one.
  void control_placement() {
    world_.schedule.after(world_.dice.between(100'000, 800'000), [this] {
      control_placement();
      const auto p = static_cast<std::uint16_t>(world_.dice.below(world_.settings.partitions));
      const auto& record = etcd_.record(p);
      auto replicas = record.replicas;
      const auto wanted = std::min(settings_.replicas, settings_.nodes);
      if (replicas.size() > wanted) {
        const bool all_in_sync = std::ranges::all_of(replicas, [&](const std::string& node) {
          return std::ranges::any_of(record.in_sync, [&](const auto& member) { return member.node == node; });
        });
        if (!all_in_sync) return;
        replicas.erase(replicas.begin() + static_cast<std::ptrdiff_t>(world_.dice.below(replicas.size())));
        world_.count("replica dropped by placement");
      } else if (!world_.calm && world_.settings.fault_every > 0 && wanted < settings_.nodes) {
        const auto node = name_of(world_.dice.below(settings_.nodes));
        if (std::ranges::find(replicas, node) != replicas.end()) return;
        replicas.push_back(node);
        world_.count("replica added by placement");
        if (world_.dice.chance(0.3)) {
          world_.count("who is to have a copy does not hear of it");
          deaf_until_[node] = world_.schedule.now() + world_.dice.between(300'000, 2'500'000);
          etcd_.cut_until(node, deaf_until_[node]);
        }
      } else {
        return;
      }
      etcd_.set_replicas(p, std::move(replicas));
    });
  }

  // Primaries move for no fault at all.
  void balance_primaries() {
    world_.schedule.after(world_.dice.between(20'000, 1'000'000), [this] {
      if (world_.calm) return;
      balance_primaries();
      if (auto* node = some_node()) node->hand_over_some_partition();
    });
  }

  // --- Faults.

  void next_fault() {
    world_.schedule.after(world_.dice.between(0, 2 * world_.settings.fault_every), [this] {
      if (world_.calm) return;
      next_fault();
      some_fault();
    });
  }

  // A partition has a new epoch: the moments after that are the ones in which a second fault does harm.
  void aftershock(const cluster::PartitionRecord& before, const cluster::PartitionRecord& after) {
    if (world_.calm || world_.settings.fault_every == 0) return;
    if (before.primary != after.primary && after.is_in_sync(before.primary) && world_.dice.chance(0.1)) {
      const auto* old = node_of(before.primary);
      if (old == nullptr) return;
      world_.count("primary cut off right after it named its successor");
      network_.cut_off(old->machine().number);
      etcd_.cut_until(old->machine().name, world_.schedule.now() + world_.dice.between(100'000, 500'000));
      return;
    }
    for (const auto& member : after.in_sync)
      if (!before.is_in_sync(member) && deaf_until_[member.node] > world_.schedule.now())
        lose_sight(member, after.primary);
    if (!world_.dice.chance(0.05)) return;
    const auto& primary = after.primary;
    world_.schedule.after(world_.dice.between(0, 8'000), [this, primary] {
      if (world_.calm || node_of(primary) == nullptr) return;
      world_.count("fault right after a change of epoch");
      auto& machine = machines_[node_of(primary)->machine().number];
      switch (world_.dice.below(4)) {
        case 0:
          return isolate(machine);
        case 1:
          return power_cut(machine);
        default:
          return kill_node(machine, "right after a change of epoch");
      }
    });
  }

  // Who has come in sync without knowing is cut off before it hears of it, and the primary dies.
  void lose_sight(const cluster::ReplicaId& deaf, const cluster::ReplicaId& primary) {
    if (node_of(deaf) == nullptr || node_of(primary) == nullptr || deaf == primary) return;
    world_.count("in sync without knowing, and alone");
    network_.cut_off(node_of(deaf)->machine().number);
    block_all(node_of(deaf)->machine().number, deaf_until_[deaf.node] - world_.schedule.now());
    auto& machine = machines_[node_of(primary)->machine().number];
    end_node(machine, true);
    machine.env->after_kill();
    world_.schedule.after(world_.dice.between(1'000'000, 4'000'000), [this, &machine] { start_later(machine); });
  }

  void block_all(std::size_t node, Micros time) {
    for (std::size_t peer = 0; peer < settings_.nodes; ++peer)
      if (peer != node) {
        network_.block(node, peer, time);
        network_.block(peer, node, time);
      }
  }

  void some_fault() {
    auto& dice = world_.dice;
    const bool torn = dice.chance(0.8);
    auto& machine = machines_[dice.below(machines_.size())];
    auto* node = nodes_[machine.number].get();
    const auto other = (machine.number + 1 + dice.below(machines_.size() - 1)) % machines_.size();
    switch (dice.below(23)) {
      case 0:
        return machine.env->set_plan({.power_cut_after_writes = dice.below(40), .torn_writes = torn});
      case 1:
        machine.env->set_plan({.torn_writes = torn});
        return power_cut(machine);
      case 2:
      case 3:
        return kill_node(machine, "for no reason");
      case 4:
        return machine.env->set_plan({.write_error_after_writes = dice.below(30), .torn_writes = torn});
      case 5:
        return machine.env->set_plan({.sync_error_after_syncs = dice.below(15), .torn_writes = torn});
      case 6:
        return machine.env->set_plan(
            {.disk_bytes_max = machine.env->bytes_used() + dice.below(10'000), .torn_writes = torn});
      case 7:
      case 8:
        return network_.break_link(machine.number, other);
      case 9:
      case 10:
        return network_.block(machine.number, other, dice.between(20'000, 1'000'000));
      case 11:
      case 12:
        return isolate(machine);
      case 13:
      case 14:
        if (node == nullptr) return;
        world_.count("node sleeps");
        world_.tell(machine.name + " sleeps");
        return node->sleep_until(world_.schedule.now() + dice.between(10'000, 1'200'000));
      case 15:
        world_.count("etcd is down");
        return etcd_.down_until(world_.schedule.now() + dice.between(50'000, 1'500'000));
      case 16:
        world_.count("etcd out of one node's reach");
        return etcd_.cut_until(machine.name, world_.schedule.now() + dice.between(50'000, 1'500'000));
      case 17:
        return wipe(machine);
      case 18:
        if (node == nullptr) return;
        return node->hand_over_some_partition();
      case 19:
        if (node == nullptr) return;
        return dice.chance(0.5) ? node->kill_some_hub() : node->reload_some_partition();
      case 20:
        if (!world_.settings.clock_jumps) return;
        world_.count("wall clock jumps");
        machine.wall_offset += dice.between(1, 600'000);
        return;
      case 21:
        if (node == nullptr) return;
        return hang_disk(*node, machine);
      default:
        if (dice.chance(0.5))
          clients_[dice.below(clients_.size())]->break_connection();
        else
          subscribers_[dice.below(subscribers_.size())]->break_connection();
    }
  }

  // From all others, in one direction or both; sometimes from etcd as well.
  void isolate(Machine& machine) {
    auto& dice = world_.dice;
    world_.count("node cut off");
    world_.tell(machine.name + " is cut off");
    const auto time = dice.between(50'000, 1'200'000);
    const auto directions = dice.below(3);
    for (std::size_t peer = 0; peer < settings_.nodes; ++peer) {
      if (peer == machine.number) continue;
      if (directions != 0) network_.block(machine.number, peer, time);
      if (directions != 1) network_.block(peer, machine.number, time);
    }
    if (dice.chance(0.3)) etcd_.cut_until(machine.name, world_.schedule.now() + time);
  }

  // --- The end.

  void calm_down() {
    world_.tell("no more faults");
    world_.calm = true;
    for (auto& machine : machines_) machine.env->set_plan({});
    // Clocks are put right, forwards: what one of them has set a reminder for comes on all others.
    const auto furthest = std::ranges::max_element(machines_, {}, &Machine::wall_offset)->wall_offset;
    for (auto& machine : machines_) machine.wall_offset = furthest;
    network_.mend();
    etcd_.mend();
    for (const auto& subscriber : subscribers_) subscriber->break_connection();  // They come back faster.
    see_whether_settled();
  }

  void see_whether_settled() {
    settle_by_ = world_.schedule.now() + kSettleFor;
    look_again();
  }

  void look_again() {
    world_.schedule.after(200'000, [this] {
      const auto open = what_is_open();
      if (open.empty()) {
        settled_ = true;
        return;
      }
      if (world_.schedule.now() > settle_by_) {
        tell_state();
        world_.broken("everything comes to rest", open);
      }
      look_again();
    });
  }

  void tell_state() {
    for (std::uint16_t p = 0; p < world_.settings.partitions; ++p)
      for (const auto& node : nodes_) {
        if (!node) continue;
        const auto& replica = node->replica(p);
        std::string line = "partition " + std::to_string(p) + " at " + node->machine().name + ": " +
                           std::string(cluster::name_of(replica.role())) + ", epoch " +
                           std::to_string(replica.epoch()) + ", log " + std::to_string(replica.log_end()) +
                           ", committed " + std::to_string(replica.commit_index()) + ", applied " +
                           std::to_string(replica.applied_index()) + (replica.failed() ? ", disk failed" : "");
        for (const auto& backup : replica.backups())
          line += "; " + backup.id.node + (backup.in_sync ? " in sync" : "") + (backup.linked ? "" : " not linked") +
                  (backup.copying ? " copying" : "") + " lag " + std::to_string(backup.lag_entries);
        world_.tell(std::move(line));
      }
  }

  // Nothing when the partition is served, and every replica that is wanted has everything.
  std::string what_is_open(std::uint16_t p) {
    const auto text = "partition " + std::to_string(p) + ": ";
    const auto& record = etcd_.record(p);
    if (record.replicas.size() != std::min(settings_.replicas, settings_.nodes)) return text + "placement is not done";
    if (record.in_sync.size() != record.replicas.size()) return text + "not all replicas are in sync";
    for (const auto& member : record.in_sync)
      if (!record.is_wanted(member.node)) return text + member.node + " is not wanted";
    auto* primary = node_of(record.primary);
    if (primary == nullptr || !primary->serves(p)) return text + "the primary does not serve";
    const auto& replica = primary->replica(p);
    if (replica.epoch() != record.epoch) return text + "the primary lives in another epoch";
    for (const auto& member : record.in_sync) {
      const auto* node = node_of(member);
      if (node == nullptr || node->replica(p).log_end() != replica.log_end() ||
          node->replica(p).applied_index() != replica.log_end())
        return text + member.node + " has not got everything";
    }
    return "";
  }

  ClusterNode* node_of(const cluster::ReplicaId& id) {
    for (const auto& node : nodes_)
      if (node && node->id() == id) return node.get();
    return nullptr;
  }

  ClusterNode& primary_of(std::uint16_t p) {
    auto* node = node_of(etcd_.record(p).primary);
    CHECK(node != nullptr);
    return *node;
  }

  std::string what_is_open() {
    for (const auto& node : nodes_)
      if (!node) return "a node is down";
    for (const auto& client : clients_)
      if (!client->done()) return "client " + std::string(client->producer().name()) + " is not done";
    for (std::uint16_t p = 0; p < world_.settings.partitions; ++p)
      if (auto open = what_is_open(p); !open.empty()) return open;
    for (const auto& node : nodes_) node->rest_soon();
    for (const auto& node : nodes_)
      if (const auto active = node->active_hubs(); active > 0) return std::to_string(active) + " hubs are active";
    std::string open;
    for (std::uint16_t p = 0; p < world_.settings.partitions && open.empty(); ++p)
      open = leftover(world_, {p}, primary_of(p).storage());
    for (const auto& subscriber : subscribers_)
      for (const auto& stream : subscriber->streams()) {
        const auto p = stream.entity.partition_of(world_.settings.partitions);
        const auto last = runtime::last_of_mailbox(primary_of(p.value).storage(), p, stream.entity);
        if (!last || stream.next != *last + 1)
          open = subscriber->name() + " has not got all of " + stream.entity.text();
      }
    return open;
  }

  // Everything but the replication's own.
  std::map<std::string, std::string> records_of(const ClusterNode& node, std::uint16_t p) {
    std::map<std::string, std::string> records;
    const auto scanned = node.storage().scan(
        runtime::partition_prefix({p}), runtime::partition_prefix({static_cast<std::uint16_t>(p + 1)}),
        [&](auto key, auto value) {
          const auto tag = static_cast<runtime::Tag>(key[2]);
          if (tag != runtime::Tag::kLog && tag != runtime::Tag::kEpoch && tag != runtime::Tag::kApplied)
            records.emplace(key, value);
          return true;
        });
    if (!scanned) world_.broken("P1: what is durable can be read", scanned.error().message);
    return records;
  }

  void compare_replicas() {
    for (std::uint16_t p = 0; p < world_.settings.partitions; ++p) {
      const auto expected = records_of(primary_of(p), p);
      for (const auto& member : etcd_.record(p).in_sync) {
        const auto actual = records_of(*node_of(member), p);
        if (actual == expected) continue;
        std::string first;
        for (const auto& [key, value] : expected)
          if (const auto found = actual.find(key); first.empty() && (found == actual.end() || found->second != value))
            first = key;
        for (const auto& [key, value] : actual)
          if (first.empty() && !expected.contains(key)) first = key;
        world_.broken("P1: all in sync hold the same", "partition " + std::to_string(p) + " of " + member.node +
                                                           " differs from the primary's at " + first.substr(2));
      }
    }
  }

  void judge() {
    std::vector<const runtime::Storage*> stores;
    for (std::uint16_t p = 0; p < world_.settings.partitions; ++p) stores.push_back(&primary_of(p).storage());
    const Luck always([] { return false; });
    check(world_, PrimariesStorage(std::move(stores)), clients_, subscribers_, *operator_);
  }

  World& world_;
  ClusterSettings settings_;
  std::uint64_t disks_ = 0;
  std::vector<Machine> machines_;
  EtcdModel etcd_;
  Network network_;
  Witness witness_;
  Luck luck_;
  std::vector<std::unique_ptr<ClusterNode>> nodes_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  std::optional<Operator> operator_;
  std::map<std::string, Micros> deaf_until_;  // Nodes that etcd does not reach.
  bool settled_ = false;
  Micros settle_by_ = 0;
};

}  // namespace

Outcome simulate_cluster(std::uint64_t seed, bool verbose) {
  World world(seed, verbose);
  world.settings.limits.deduplication_horizon = std::chrono::hours(7 * 24);
  Outcome outcome;
  try {
    ClusterSimulation simulation(world);
    simulation.run();
    for (const auto& [kind, count] : simulation.disk_faults()) world.counts[kind] += count;
  } catch (Broken& broken) {
    outcome.broken = std::move(broken);
  } catch (const BrokenInvariant& bug) {
    outcome.broken = Broken{"no invariant breaks", bug.what()};
  }
  outcome.story = std::move(world.story);
  outcome.counts = std::move(world.counts);
  return outcome;
}

}  // namespace carillon::simulation
