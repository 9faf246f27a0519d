#include "tests/simulation/simulation.h"

#include <memory>
#include <vector>

#include "runtime/key.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/client.h"
#include "tests/simulation/leftovers.h"
#include "tests/simulation/node.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/subscriber.h"
#include "tests/simulation/towns.h"

namespace carillon::simulation {
namespace {

constexpr Micros kSettleFor = 600'000'000;

class Simulation {
 public:
  explicit Simulation(World& world)
      : world_(world), luck_([&world] { return !world.calm && world.dice.chance(world.settings.failing_chance); }) {}
  ~Simulation() {
    clients_.clear();
    subscribers_.clear();
    node_.reset();
  }
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  void run() {
    start_node();
    const FindEntrance entrance = [this] { return node_.get(); };
    for (std::size_t i = 0; i < world_.settings.clients; ++i)
      clients_.push_back(std::make_unique<Client>(world_, entrance, "client" + std::to_string(i)));
    for (std::size_t i = 0; i < world_.settings.subscribers; ++i)
      subscribers_.push_back(std::make_unique<Subscriber>(world_, entrance, "subscriber" + std::to_string(i)));
    operator_.emplace(world_, entrance);
    if (world_.settings.fault_every > 0) next_fault();
    look_after_node();
    world_.schedule.after(world_.settings.faults_until, [this] { calm_down(); });
    while (!settled_) {
      world_.schedule.step();
      if (!world_.env.is_powered()) power_failed();
    }
    judge();
  }

 private:
  // --- The node's lives.

  void start_node() {
    auto& dice = world_.dice;
    const bool risky = !world_.calm && world_.settings.fault_every > 0 && dice.chance(0.1);
    if (risky) {
      world_.count("fault while the store opens");
      const auto after = dice.below(12);
      if (dice.chance(0.5))
        world_.env.set_plan({.power_cut_after_writes = after});
      else
        world_.env.set_plan({.write_error_after_writes = after});
    } else {
      world_.env.set_plan({});  // Whatever ailed the disk is mended before the node starts.
    }
    node_ = Node::start(world_);
    if (!world_.env.is_powered()) return power_failed();
    if (node_) return world_.tell("the node is up");
    if (!risky) world_.broken("P1: what is durable can be read", "the store does not open");
    world_.env.after_kill();
    start_later();
  }

  void start_later() {
    world_.schedule.after(world_.dice.between(1'000, 200'000), [this] {
      if (!node_) start_node();
    });
  }

  void end_node() {
    if (!node_) return;
    for (const auto& client : clients_) client->node_died(*node_);
    for (const auto& subscriber : subscribers_) subscriber->node_died(*node_);
    node_.reset();
    if (world_.settings.clock_jumps && world_.dice.chance(0.3)) {
      world_.count("clock steps back over a restart");
      world_.clock_ms -= world_.dice.between(1, 20'000);
    }
  }

  void power_failed() {
    world_.tell("the power fails");
    end_node();
    world_.env.after_restart();
    start_later();
  }

  void kill_node(const char* why) {
    if (!node_) return;
    world_.tell(std::string("the process is killed: ") + why);
    end_node();
    world_.env.after_kill();
    start_later();
  }

  // Somebody notices when the store has turned read-only.
  void look_after_node() {
    world_.schedule.after(world_.dice.between(20'000, 400'000), [this] {
      look_after_node();
      if (!node_ || !node_->read_only()) return;
      world_.count("read-only store restarted");
      if (world_.dice.chance(0.5))
        kill_node("the store is read-only");
      else
        world_.env.power_cut();
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

  void some_fault() {
    auto& dice = world_.dice;
    const bool torn = dice.chance(0.8);
    if (node_ && dice.chance(world_.settings.reloads)) return node_->reload_some_partition();
    switch (dice.below(14)) {
      case 0:
        return world_.env.set_plan({.power_cut_after_writes = dice.below(40), .torn_writes = torn});
      case 1:
        world_.env.set_plan({.torn_writes = torn});
        return world_.env.power_cut();
      case 2:
        return kill_node("for no reason");
      case 3:
        return world_.env.set_plan({.write_error_after_writes = dice.below(30), .torn_writes = torn});
      case 4:
        return world_.env.set_plan({.sync_error_after_syncs = dice.below(15), .torn_writes = torn});
      case 5:
        return world_.env.set_plan(
            {.disk_bytes_max = world_.env.bytes_used() + dice.below(10'000), .torn_writes = torn});
      case 6:
      case 7:
        if (node_) node_->kill_some_hub();
        return;
      case 8:
      case 9:
        if (node_) node_->reload_some_partition();
        return;
      case 10:
        return clients_[dice.below(clients_.size())]->break_connection();
      case 11:
        return subscribers_[dice.below(subscribers_.size())]->break_connection();
      case 12:
        return jump();
      default:
        for (const auto& subscriber : subscribers_) subscriber->break_connection();
        for (const auto& client : clients_) client->break_connection();
    }
  }

  void jump() {
    if (!world_.settings.clock_jumps) return;
    // Within the deduplication horizon P2 holds; beyond it nobody may repeat anything.
    if (world_.settings.limits.deduplication_horizon <= std::chrono::hours(1)) {
      for (const auto& client : clients_)
        if (!client->quiet()) return;
      for (const auto& client : clients_) client->forget();
      world_.count("clock jumps beyond the deduplication horizon");
      world_.clock_ms += 2 * 3'600'000;
    } else {
      world_.count("clock jumps forward");
      world_.clock_ms += world_.dice.between(1, 2 * 3'600'000);
    }
    world_.tell("the clock jumps");
  }

  // --- The end.

  void calm_down() {
    world_.tell("no more faults");
    world_.calm = true;
    world_.env.set_plan({});
    for (const auto& subscriber : subscribers_) subscriber->break_connection();  // They come back faster.
    settle_by_ = world_.schedule.now() + kSettleFor;
    see_whether_settled();
  }

  void see_whether_settled() {
    world_.schedule.after(200'000, [this] {
      const auto open = what_is_open();
      if (open.empty()) {
        settled_ = true;
        return;
      }
      if (world_.schedule.now() > settle_by_) world_.broken("everything comes to rest", open);
      see_whether_settled();
    });
  }

  std::string what_is_open() {
    if (!node_) return "the node is down";
    for (const auto& client : clients_)
      if (!client->done()) return "client " + std::string(client->producer().name()) + " is not done";
    node_->rest_soon();
    if (const auto active = node_->active_hubs(); active > 0) return std::to_string(active) + " hubs are active";
    std::string open;
    for (std::uint16_t p = 0; p < world_.settings.partitions && open.empty(); ++p)
      open = leftover(world_, {p}, node_->storage());
    for (const auto& subscriber : subscribers_)
      for (const auto& stream : subscriber->streams()) {
        const auto last = runtime::last_of_mailbox(node_->storage(), node_->partition_of(stream.entity), stream.entity);
        if (!last || stream.next != *last + 1)
          open = subscriber->name() + " has not got all of " + stream.entity.text();
      }
    return open;
  }

  // What was acknowledged survives one more power cut.
  void judge() {
    world_.env.power_cut();
    end_node();
    world_.env.after_restart();
    auto store = open_store(world_, world_.env);
    if (!store) world_.broken("P1: what is durable can be read", store.error().message);
    const Luck always([] { return false; });
    check(world_, **store, clients_, subscribers_, *operator_);
    world_.env.settle();
  }

  World& world_;
  Luck luck_;
  std::unique_ptr<Node> node_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  std::optional<Operator> operator_;
  bool settled_ = false;
  Micros settle_by_ = 0;
};

}  // namespace

Outcome simulate(std::uint64_t seed, bool verbose) {
  World world(seed, verbose);
  Outcome outcome;
  try {
    Simulation(world).run();
  } catch (Broken& broken) {
    outcome.broken = std::move(broken);
  } catch (const BrokenInvariant& bug) {
    outcome.broken = Broken{"no invariant breaks", bug.what()};
  }
  outcome.story = std::move(world.story);
  outcome.counts = std::move(world.counts);
  for (std::size_t f = 0; f < testing::kFaultKinds; ++f) {
    const auto fault = static_cast<testing::Fault>(f);
    if (const auto fired = world.env.fired(fault)) outcome.counts[std::string(testing::name_of(fault))] += fired;
  }
  return outcome;
}

}  // namespace carillon::simulation
