#include "tests/simulation/cluster_node.h"

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/journal_order.h"
#include "tests/simulation/gateway.h"
#include "tests/simulation/node.h"
#include "tests/simulation/session.h"

namespace carillon::simulation {

using cluster::Replica;

namespace {

constexpr Micros kTick = 10'000;
constexpr Micros kLookAgain = 2'000'000;
constexpr int kNodeBits = 48;  // Of a session's number: which node's gateway it belongs to, and which life of it.
constexpr int kLifeBits = 32;

Error not_here() { return {ErrorCode::UNAVAILABLE, "the partition's primary cannot be reached now"}; }

std::size_t node_of(runtime::SessionId session) { return static_cast<std::size_t>(session >> kNodeBits); }

}  // namespace

// --- What must always be true.

void Witness::committed(std::uint16_t partition, cluster::Index index, const std::string& node,
                        const std::string& bytes) {
  auto& told = told_[partition];
  const auto [entry, is_new] = told.entries.emplace(index, bytes);
  if (!is_new && entry->second != bytes)
    world_->broken("P8: one owner", node + " commits another entry " + std::to_string(index) + " of partition " +
                                        std::to_string(partition) + " than was committed before");
  told.index = std::max(told.index, index);
}

void Witness::reads(std::uint16_t partition, cluster::Index applied, const std::string& node) {
  auto& told = told_[partition];
  if (applied < told.index)
    world_->broken("P8: nobody is told old things as new",
                   node + " reads partition " + std::to_string(partition) + " as of entry " + std::to_string(applied) +
                       ", but entry " + std::to_string(told.index) + " was read or committed before");
  told.index = applied;
}

// --- Life.

std::unique_ptr<ClusterNode> ClusterNode::start(const ClusterWorld& cluster, Machine& machine) {
  auto store = open_store(cluster.world, *machine.env);
  if (!store) {
    cluster.world.tell(machine.name + ": the store does not open: " + store.error().message);
    machine.env->settle();
    return nullptr;
  }
  ++machine.lives;
  std::unique_ptr<ClusterNode> node(new ClusterNode(cluster, machine, std::move(*store)));
  if (!node->open_replicas()) return nullptr;
  cluster.etcd.watch(machine.name, [at = node.get()](auto partition, const auto& record, auto revision) {
    at->record_changed(partition, record, revision);
  });
  node->tick();
  return node;
}

ClusterNode::ClusterNode(const ClusterWorld& cluster, Machine& machine, std::unique_ptr<runtime::Store> store)
    : cluster_(cluster),
      machine_(&machine),
      store_(std::move(store)),
      reads_(*store_, [this](auto) { return read_fails(); }),
      asleep_until_(std::make_shared<Micros>(0)),
      disk_hangs_until_(std::make_shared<Micros>(0)),
      partitions_(cluster.world.settings.partitions),
      disk_(Inbox::make(cluster.world, cluster.world.settings.disk_pace, disk_hangs_until_)),
      disk_answers_(Inbox::make(cluster.world, cluster.world.settings.disk_pace)),
      alive_(std::make_shared<bool>(true)) {
  for (std::uint16_t p = 0; p < partitions_.size(); ++p) {
    partitions_[p].host = std::make_unique<PartitionHost>(cluster.world, PartitionId{p}, *store_, false, outside_of(p));
    partitions_[p].route = number();
  }
  gateway_ = std::make_unique<Gateway>(cluster.world, *this,
                                       (machine.number << kNodeBits) + (machine.lives << kLifeBits), asleep_until_);
}

bool ClusterNode::open_replicas() {
  for (std::uint16_t p = 0; p < partitions_.size(); ++p)
    if (!open_replica(p)) return false;
  return true;
}

bool ClusterNode::open_replica(std::uint16_t partition) {
  opening_ = true;
  auto opened = Replica::open({{partition},
                               id(),
                               cluster_.settings.min_in_sync,
                               cluster_.settings.timeouts,
                               cluster_.settings.limits,
                               ++partitions_[partition].lives},
                              reads_, now());
  opening_ = false;
  if (!opened) {
    if (machine_->env->is_powered())
      world().broken("P1: what is durable can be read", machine_->name + " does not open its replica of partition " +
                                                            std::to_string(partition) + ": " + opened.error().message);
    return false;
  }
  partitions_[partition].replica = std::move(*opened);
  return true;
}

bool ClusterNode::read_fails() {
  const auto chance = world().settings.read_error_chance;
  if (chance == 0 || opening_ || world().calm || !world().dice.chance(chance)) return false;
  world().count("read error of a replica");
  return true;
}

// It has nothing under way; it begins as after a start.
void ClusterNode::throw_away_replica(std::uint16_t partition) {
  auto& actor = partitions_[partition];
  if (!open_replica(partition)) return;
  for (const auto& [peer, link] : actor.links) actor.replica->link_up("n" + std::to_string(peer), now());
  if (actor.record) actor.replica->record_changed(*actor.record, actor.revision, now());
}

// A copy that could not be read joins again once it can, and what it had under way is done.
void ClusterNode::look_again_after(std::uint16_t partition, Micros delay) {
  world().schedule.after(delay, [this, partition, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || store_->read_only()) return;
    at(partition, [this, partition](PartitionActor& actor) {
      if (!actor.replica->failed()) return;
      if (actor.writes > 0) return look_again_after(partition, kTick);
      world().count("replica opened anew after a read error");
      if (actor.host->is_open()) {
        actor.host->close();
        break_all_ways(partition);
      }
      throw_away_replica(partition);
    });
  });
}

ClusterNode::~ClusterNode() {
  cluster_.etcd.forget(machine_->name);
  machine_->env->settle();
}

cluster::Instant ClusterNode::now() const {
  const auto time = static_cast<double>(world().schedule.now()) * machine_->clock_rate;
  return cluster::Instant(static_cast<Micros>(time) + machine_->clock_offset);
}

std::size_t ClusterNode::number_of(const std::string& node) const {
  return static_cast<std::size_t>(std::stoul(node.substr(1)));
}

void ClusterNode::tick() {
  world().schedule.after(kTick, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    for (std::uint16_t p = 0; p < partitions_.size(); ++p)
      at(p, [this](PartitionActor& actor) {
        actor.replica->tick(now());
        if (actor.replica->role() == cluster::Role::kStranger && actor.replica->log_end() > 0)
          actor.replica->discard(now());
      });
    tick();
  });
}

void ClusterNode::sleep_until(Micros time) {
  *asleep_until_ = std::max(*asleep_until_, time);
  hang_disk_until(time);
}

void ClusterNode::hang_disk_until(Micros time) { *disk_hangs_until_ = std::max(*disk_hangs_until_, time); }

// --- A replica and what lies above it.

template <class Input>
void ClusterNode::at(std::uint16_t partition, Input input) {
  partitions_[partition].host->send([this, partition, input = std::move(input)]() mutable {
    try {
      input(partitions_[partition]);
      perform(partition);
    } catch (const BrokenInvariant& bug) {
      world().broken("no invariant breaks", bug.what());
    }
  });
}

void ClusterNode::perform(std::uint16_t partition) {
  auto& actor = partitions_[partition];
  if (std::exchange(actor.performing, true)) return;
  for (auto outputs = actor.replica->take(); !outputs.empty(); outputs = actor.replica->take()) {
    for (auto& write : outputs.writes) {
      ++actor.writes;
      enqueue({partition, std::move(write)});
    }
    for (const auto& outgoing : outputs.messages) {
      const auto to = number_of(outgoing.to);
      if (to == number()) continue;
      // What cannot be sent is dropped.
      if (!world().calm && world().dice.chance(cluster_.settings.drop_chance)) {
        world().count("message between replicas dropped");
        continue;
      }
      send(partition, to, [bytes = encode(outgoing.message), partition](ClusterNode& peer) {
        peer.at(partition, [&peer, bytes](PartitionActor& there) {
          auto message = cluster::decode_peer_message(bytes);
          if (!message) peer.world().broken("replicas understand one another", message.error().message);
          if (auto taken = there.replica->received(std::move(*message), peer.now()); !taken)
            peer.world().broken("replicas understand one another", peer.machine_->name + ": " + taken.error().message);
        });
      });
    }
    if (outputs.proposal)
      cluster_.etcd.swap(machine_->name, partition, *outputs.proposal,
                         [this, partition, number = outputs.proposal->number](auto outcome, auto revision) {
                           at(partition, [this, number, outcome, revision](PartitionActor& there) {
                             there.replica->proposal_answered(number, outcome, revision, now());
                           });
                         });
    for (const auto& event : outputs.events) happened(partition, event);
  }
  actor.performing = false;
  // As if somebody read all the time.
  if (actor.replica->is_ready() && actor.replica->may_read(now()))
    cluster_.witness.reads(partition, actor.replica->applied_index(), machine_->name);
}

void ClusterNode::happened(std::uint16_t partition, const cluster::ReplicaEvent& event) {
  auto& actor = partitions_[partition];
  if (std::holds_alternative<cluster::BecamePrimary>(event)) {
    world().tell(machine_->name + " is primary of partition " + std::to_string(partition));
    world().count("replica became primary");
    actor.appended.clear();
    if (actor.host->open()) actor.host->start();
  } else if (std::holds_alternative<cluster::AppendCommitted>(event)) {
    CHECK(!actor.appended.empty());
    const auto index = std::get<cluster::AppendCommitted>(event).index;
    cluster_.witness.committed(partition, index, machine_->name, actor.appended.front());
    actor.appended.pop_front();
    actor.host->commit_answered({});
  } else if (std::holds_alternative<cluster::PrimaryLost>(event)) {
    world().tell(machine_->name + " is not primary of partition " + std::to_string(partition) + " any more");
    world().count("replica lost the primary's role");
    actor.host->close();
    break_all_ways(partition);
  } else if (const auto* failed = std::get_if<cluster::DiskFailed>(&event)) {
    world().count("disk of a replica failed");
    actor.appended.clear();
    if (!store_->read_only()) look_again_after(partition, kLookAgain);
    if (actor.host->is_open()) actor.host->commit_answered(failed->error);
  } else if (const auto* missing = std::get_if<cluster::EntriesMissing>(&event)) {
    // No disk goes back in time here, and nobody names an older copy.
    world().broken("P1: nothing accepted is lost",
                   "partition " + std::to_string(partition) + " has a primary without all " +
                       std::to_string(missing->applied) + " entries applied by " + machine_->name);
  } else {
    world().count("copy discarded by a stranger");
    throw_away_replica(partition);
  }
}

PartitionHost::Outside ClusterNode::outside_of(std::uint16_t id) {
  return {
      .wall = [this] { return wall(); },
      .is_powered = [this] { return machine_->env->is_powered(); },
      .commit =
          [this, id](runtime::WriteSet writes) {
            auto& actor = partitions_[id];
            if (!actor.replica->is_ready() || actor.replica->failed()) return;
            actor.replica->append(writes, now());
            actor.appended.push_back(cluster::encode(writes));
            // Not now: the partition is at work.
            actor.host->send([this, id] { perform(id); });
          },
      .emissions =
          [this, id](std::uint16_t target, std::vector<runtime::HubEmissions> emissions) {
            const auto to = partitions_[target].route;
            const auto arrive = [id, target, from = number(), epoch = partitions_[id].replica->epoch(),
                                 emissions = std::move(emissions)](ClusterNode& peer) {
              auto& host = *peer.partitions_[target].host;
              host.send([&peer, &host, id, target, from, epoch, emissions]() mutable {
                auto& source = peer.partitions_[id];
                if (epoch >= source.emissions_epoch) {
                  source.emissions_epoch = epoch;
                  source.emissions_from = from;
                }
                if (host.is_open())
                  return host.run(
                      [&](auto& partition) { partition.emissions_arrived({id}, std::move(emissions), peer.wall()); });
                peer.world().count("emissions refused");
                const auto repeat = [target](ClusterNode& sender) { sender.restart_hubs_soon(target); };
                if (from == peer.number())
                  repeat(peer);
                else
                  peer.send(target, from, repeat);
              });
            };
            if (to == number()) return arrive(*this);
            if (!is_linked(id, to)) return restart_hubs_soon(target);
            send(id, to, arrive);
          },
      .acks =
          [this, id](std::uint16_t source, std::vector<runtime::EmissionAck> acks) {
            const auto arrive = [id, source, acks = std::move(acks)](ClusterNode& peer) {
              auto& host = *peer.partitions_[source].host;
              host.send([&host, id, acks] { host.acknowledged({id}, acks); });
            };
            const auto& hubs = partitions_[source];
            const auto to = hubs.emissions_epoch > hubs.route_epoch ? hubs.emissions_from : hubs.route;
            if (to == number()) return arrive(*this);
            send(id, to, arrive);
          },
      .published =
          [this, id](runtime::Published published) {
            const auto to = node_of(published.session);
            if (to == number()) return gateway_->answered(std::move(published));
            send(id, to, [published = std::move(published)](ClusterNode& peer) { peer.gateway_->answered(published); });
          },
      .deliver =
          [this, id](runtime::SessionId session, std::vector<runtime::Delivery> deliveries) {
            const auto arrive = [session, deliveries = std::move(deliveries)](ClusterNode& peer) {
              const auto found = peer.sessions_.find(session);
              if (found != peer.sessions_.end()) found->second->notifications_committed(deliveries);
            };
            const auto to = node_of(session);
            if (to == number()) return arrive(*this);
            send(id, to, arrive);
          },
      .reloaded = [this, id] { break_all_ways(id); },
      .asleep_until = asleep_until_,
  };
}

// --- Ways.

void ClusterNode::record_changed(std::uint16_t partition, const cluster::PartitionRecord& record,
                                 cluster::Revision revision) {
  at(partition, [this, partition, record, revision](PartitionActor& actor) {
    actor.record = record;
    actor.revision = revision;
    actor.replica->record_changed(record, revision, now());
    if (record.epoch <= actor.route_epoch) return;
    actor.route_epoch = record.epoch;
    const auto to = number_of(record.primary.node);
    if (to == actor.route) return;
    actor.route = to;
    break_way(partition);
  });
}

// What this gateway has sent to the partition and not heard of is not to be heard of any more.
void ClusterNode::break_publish_way(std::uint16_t partition) {
  auto& actor = partitions_[partition];
  ++actor.route_life;
  gateway_->reloaded({partition}, actor.route_life);
}

void ClusterNode::break_way(std::uint16_t partition) {
  break_publish_way(partition);
  auto& actor = partitions_[partition];
  for (auto& [number, answer] : std::exchange(actor.pages, {})) answer(not_here());
  for (const auto& [id, session] : std::map(sessions_)) session->partition_reloaded({partition});
  restart_hubs_soon(partition);
}

void ClusterNode::break_all_ways(std::uint16_t partition) {
  for (std::size_t peer = 0; peer < cluster_.settings.nodes; ++peer)
    if (peer != number())
      send(partition, peer, [partition, by = number()](ClusterNode& there) { there.way_broken(partition, by); });
  way_broken(partition, number());
}

void ClusterNode::way_broken(std::uint16_t partition, std::size_t by) {
  partitions_[partition].host->send([this, partition, by] {
    if (partitions_[partition].route == by) break_way(partition);
  });
}

void ClusterNode::send(std::uint16_t partition, std::size_t to, std::function<void(ClusterNode& at)> message) {
  const auto link = partitions_[partition].links.find(to);
  if (link != partitions_[partition].links.end()) cluster_.network.send(number(), to, link->second, std::move(message));
}

void ClusterNode::link_changed(std::size_t peer, bool up, std::uint64_t link) {
  const auto name = "n" + std::to_string(peer);
  for (std::uint16_t p = 0; p < partitions_.size(); ++p)
    at(p, [this, p, peer, name, up, link](PartitionActor& actor) {
      actor.links.erase(peer);
      if (up) actor.links[peer] = link;
      if (up)
        actor.replica->link_up(name, now());
      else
        actor.replica->link_lost(name, now());
      if (up) return;
      actor.ways.erase(peer);
      if (actor.route == peer) break_way(p);
    });
}

void ClusterNode::restart_hubs_soon(std::uint16_t target) {
  if (!restarts_due_.insert(target).second) return;
  world().schedule.after(world().dice.between(5'000, 60'000), [this, target, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    restarts_due_.erase(target);
    for (auto& actor : partitions_) actor.host->restart_hubs({target});
  });
}

// --- Publishing.

void ClusterNode::publish(PartitionId partition, runtime::PublishRequest request, std::uint64_t life) {
  const auto p = partition.value;
  partitions_[p].host->send([this, p, request = std::move(request), life]() mutable {
    auto& actor = partitions_[p];
    if (life != actor.route_life) return;  // Answered by `break_way`.
    if (actor.route == number()) return take_in(p, number(), life, std::move(request));
    if (!is_linked(p, actor.route)) return break_publish_way(p);
    world().count("publish forwarded to the primary");
    send(p, actor.route, [p, from = number(), life, request = std::move(request)](ClusterNode& peer) {
      peer.partitions_[p].host->send(
          [&peer, p, from, life, request]() mutable { peer.take_in(p, from, life, std::move(request)); });
    });
  });
}

void ClusterNode::take_in(std::uint16_t partition, std::size_t from, std::uint64_t life,
                          runtime::PublishRequest request) {
  auto& actor = partitions_[partition];
  auto& host = *actor.host;
  auto& way = actor.ways[from];
  if (life > way.life || way.host_life == 0) way = {life, host.life() + 1, false};
  if (life < way.life || way.broken) return;
  if (!actor.replica->may_publish() || !host.is_open() || way.host_life != host.life() + 1) {
    way.broken = true;
    world().count("publish refused by a node that is not the primary");
    const auto refuse = [partition, by = number(), life](ClusterNode& peer) { peer.refused(partition, by, life); };
    if (from == number()) return refuse(*this);
    send(partition, from, refuse);
    return;
  }
  host.run([&](auto& at_partition) { at_partition.publish(std::move(request), wall()); });
}

void ClusterNode::refused(std::uint16_t partition, std::size_t by, std::uint64_t life) {
  partitions_[partition].host->send([this, partition, by, life] {
    const auto& actor = partitions_[partition];
    if (actor.route == by && actor.route_life == life) break_publish_way(partition);
  });
}

// --- Sessions and operators.

void ClusterNode::open_session(std::shared_ptr<Session> session) {
  const auto id = session->id();
  sessions_.emplace(id, std::move(session));
}

void ClusterNode::close_session(runtime::SessionId id) {
  sessions_.erase(id);
  const auto unfollow = [id](ClusterNode& node) {
    for (auto& actor : node.partitions_) actor.host->send([host = actor.host.get(), id] { host->unfollow(id); });
  };
  for (std::size_t peer = 0; peer < cluster_.settings.nodes; ++peer)
    if (peer != number()) send(0, peer, unfollow);
  unfollow(*this);
}

bool ClusterNode::may_read(std::uint16_t partition) {
  auto& actor = partitions_[partition];
  if (!actor.host->is_open() || !actor.replica->may_read(now())) {
    world().count("read refused: not primary, or no lease");
    return false;
  }
  cluster_.witness.reads(partition, actor.replica->applied_index(), machine_->name);
  return true;
}

Result<runtime::Extent> ClusterNode::serve_follow(const EntityId& entity, runtime::Follower follower) {
  const auto p = partition_of(entity).value;
  if (!may_read(p)) return not_here();
  return partitions_[p].host->follow(entity, follower);
}

void ClusterNode::follow(const EntityId& entity, runtime::Follower follower) {
  const auto p = partition_of(entity).value;
  partitions_[p].host->send([this, p, entity, follower] {
    const auto tell = [follower](ClusterNode& at_gateway, Result<runtime::Extent> extent) {
      const auto session = at_gateway.sessions_.find(follower.session);
      if (session != at_gateway.sessions_.end()) session->second->following(follower.follow, std::move(extent));
    };
    const auto to = partitions_[p].route;
    if (to == number()) return tell(*this, serve_follow(entity, follower));
    if (!is_linked(p, to)) return tell(*this, not_here());
    send(p, to, [p, entity, follower, tell, from = number()](ClusterNode& peer) {
      peer.partitions_[p].host->send([&peer, p, entity, follower, tell, from] {
        const auto extent = peer.serve_follow(entity, follower);
        peer.send(p, from, [tell, extent](ClusterNode& at_gateway) { tell(at_gateway, extent); });
      });
    });
  });
}

void ClusterNode::serve_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) {
  const auto p = partition_of(entity).value;
  if (!may_read(p)) return answer(not_here());
  partitions_[p].host->read_page(entity, from, std::move(answer));
}

void ClusterNode::read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) {
  const auto p = partition_of(entity).value;
  partitions_[p].host->send([this, p, entity, from, answer = std::move(answer)] {
    auto& actor = partitions_[p];
    if (actor.route == number()) return serve_page(entity, from, answer);
    if (!is_linked(p, actor.route)) return answer(not_here());
    const auto page = ++pages_;
    actor.pages.emplace(page, answer);
    send(p, actor.route, [p, entity, from, page, gateway = number()](ClusterNode& peer) {
      peer.partitions_[p].host->send([&peer, p, entity, from, page, gateway] {
        peer.serve_page(entity, from, [&peer, p, page, gateway](Result<EventRun> run) {
          peer.send(p, gateway, [p, page, run](ClusterNode& at_gateway) {
            auto& pages = at_gateway.partitions_[p].pages;
            const auto found = pages.find(page);
            if (found == pages.end()) return;
            const auto tell = std::move(found->second);
            pages.erase(found);
            tell(run);
          });
        });
      });
    });
  });
}

void ClusterNode::list_dead_letters(PartitionId partition, ListAnswer answer) {
  auto& host = *partitions_.at(partition.value).host;
  host.send([&host, answer = std::move(answer)] { host.list_dead_letters(answer); });
}

void ClusterNode::operate(const EntityId& entity, Offset offset, bool redrive, OperationAnswer answer) {
  auto& host = *partitions_.at(partition_of(entity).value).host;
  host.send(
      [&host, entity, offset, redrive, answer = std::move(answer)] { host.operate(entity, offset, redrive, answer); });
}

// --- Faults.

void ClusterNode::kill_some_hub() { (void)partitions_[world().dice.below(partitions_.size())].host->kill_some_hub(); }

void ClusterNode::reload_some_partition() {
  auto& host = *partitions_[world().dice.below(partitions_.size())].host;
  if (!host.is_open()) return;
  world().count("partition reloaded in place");
  host.reload();
}

void ClusterNode::hand_over_some_partition() {
  for (std::uint16_t p = 0; p < partitions_.size(); ++p) {
    if (!partitions_[p].replica->is_ready() || world().dice.chance(0.5)) continue;
    world().count("hand-over ordered");
    return at(p, [this](PartitionActor& actor) { (void)actor.replica->hand_over(std::nullopt, now()); });
  }
}

void ClusterNode::rest_soon() {
  for (auto& actor : partitions_) actor.host->rest_soon();
}

std::size_t ClusterNode::active_hubs() const {
  std::size_t active = 0;
  for (const auto& actor : partitions_) active += actor.host->active_hubs();
  return active;
}

// --- The journal (actors/journal.cc).

void ClusterNode::enqueue(Commit commit) {
  waiting_.push_back(std::move(commit));
  if (std::exchange(gathering_, true)) return;
  disk_->send([this] { write(); });
}

void ClusterNode::write() {
  gathering_ = false;
  auto batch = std::exchange(waiting_, {});
  const auto unsynced = runtime::put_unsynced_first(
      batch, [](const Commit& commit) { return PartitionId{commit.partition}; },
      [](const Commit& commit) { return commit.write.sync; });
  const std::span all(batch);
  write(all.first(unsynced), false);
  write(all.subspan(unsynced), true);
}

void ClusterNode::write(std::span<Commit> commits, bool sync) {
  if (commits.empty()) return;
  runtime::WriteSet writes;
  for (auto& commit : commits) writes.append(std::move(commit.write.writes));
  const bool failed_before = store_->read_only();
  const auto written = store_->write(writes, sync);
  if (!written && !failed_before && machine_->env->is_powered())
    world().tell(machine_->name + ": a write fails: " + written.error().message);
  // In order, and on their way when the journal already writes again.
  for (const auto& commit : commits)
    disk_answers_->send([this, p = commit.partition, number = commit.write.number, written] {
      at(p, [this, number, written](PartitionActor& actor) {
        --actor.writes;
        if (written)
          actor.replica->written(number, now());
        else
          actor.replica->write_failed(written.error(), now());
      });
    });
}

}  // namespace carillon::simulation
