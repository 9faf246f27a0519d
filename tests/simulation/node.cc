#include "tests/simulation/node.h"

#include <algorithm>
#include <utility>

#include "runtime/mutation.h"
#include "tests/simulation/gateway.h"
#include "tests/simulation/session.h"

namespace carillon::simulation {

using runtime::mutated;
using runtime::Mutation;

Result<std::unique_ptr<runtime::Store>> open_store(const World& world, testing::FaultyEnv& env) {
  runtime::StoreOptions options;
  options.directory = kStoreDirectory;
  options.partitions = world.settings.partitions;
  options.env = &env;
  options.write_buffer_bytes = world.settings.write_buffer_bytes;
  options.block_cache_bytes = 1u << 20;
  return runtime::Store::open(options);
}

// --- Life.

std::unique_ptr<Node> Node::start(World& world) {
  auto store = open_store(world, world.env);
  if (!store) {
    world.tell("the store does not open: " + store.error().message);
    world.env.settle();
    return nullptr;
  }
  std::unique_ptr<Node> node(new Node(world, std::move(*store)));
  for (auto& partition : node->partitions_)
    if (!partition->open()) return nullptr;
  for (auto& partition : node->partitions_) partition->start();
  return node;
}

Node::Node(World& world, std::unique_ptr<runtime::Store> store)
    : world_(&world),
      store_(std::move(store)),
      disk_(Inbox::make(world, world.settings.disk_pace)),
      alive_(std::make_shared<bool>(true)) {
  for (std::uint16_t p = 0; p < world.settings.partitions; ++p)
    partitions_.push_back(std::make_unique<PartitionHost>(world, PartitionId{p}, *store_,
                                                          world.settings.fold_before_commit, outside_of(p)));
  gateway_ = std::make_unique<Gateway>(world, *this);
}

Node::~Node() {
  // LevelDB waits for its background work when it is closed.
  world_->env.settle();
}

PartitionHost::Outside Node::outside_of(std::uint16_t id) {
  return {
      .wall = [this] { return world_->wall(); },
      .is_powered = [this] { return world_->env.is_powered(); },
      .commit =
          [this, id](runtime::WriteSet writes) {
            Commit commit{id, std::move(writes)};
            if (mutated(Mutation::kHandBeforeJournal))
              world_->schedule.after(world_->delay(2'000),
                                     [this, alive = std::weak_ptr(alive_), commit = std::move(commit)] {
                                       if (!alive.expired()) enqueue(commit);
                                     });
            else
              enqueue(std::move(commit));
          },
      .emissions =
          [this, id](std::uint16_t target, std::vector<runtime::HubEmissions> emissions) {
            auto& peer = *partitions_.at(target);
            peer.send([this, &peer, id, emissions = std::move(emissions)]() mutable {
              peer.run(
                  [&](auto& partition) { partition.emissions_arrived({id}, std::move(emissions), world_->wall()); });
            });
          },
      .acks =
          [this, id](std::uint16_t source, std::vector<runtime::EmissionAck> acks) {
            auto& peer = *partitions_.at(source);
            peer.send([&peer, id, acks = std::move(acks)] { peer.acknowledged({id}, acks); });
          },
      .published = [this](runtime::Published published) { gateway_->answered(std::move(published)); },
      .deliver =
          [this](runtime::SessionId id_of, std::vector<runtime::Delivery> deliveries) {
            const auto session = sessions_.find(id_of);
            if (session != sessions_.end()) session->second->notifications_committed(std::move(deliveries));
          },
      .reloaded = [this, id] { reloaded(id); },
      .asleep_until = nullptr,
  };
}

void Node::reloaded(std::uint16_t id) {
  gateway_->reloaded({id}, partitions_[id]->life());
  for (auto& peer : partitions_)
    if (peer->id().value != id) peer->restart_hubs({id});
  for (const auto& [number, session] : sessions_) session->partition_reloaded({id});
}

void Node::publish(PartitionId partition, runtime::PublishRequest request, std::uint64_t life) {
  auto& host = *partitions_.at(partition.value);
  host.send([this, &host, request = std::move(request), life]() mutable {
    if (life != host.life()) return;  // Answered by `reloaded`.
    host.run([&](auto& at) { at.publish(std::move(request), world_->wall()); });
  });
}

// --- Sessions and operators.

void Node::open_session(std::shared_ptr<Session> session) {
  const auto id = session->id();
  sessions_.emplace(id, std::move(session));
}

void Node::close_session(runtime::SessionId id) {
  sessions_.erase(id);
  for (auto& host : partitions_) host->send([at = host.get(), id] { at->unfollow(id); });
}

void Node::follow(const EntityId& entity, runtime::Follower follower) {
  auto& host = *partitions_.at(partition_of(entity).value);
  host.send([this, &host, entity, follower] {
    const auto session = sessions_.find(follower.session);
    if (session == sessions_.end() || !host.is_open()) return;
    session->second->following(follower.follow, host.follow(entity, follower));
  });
}

void Node::read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) {
  auto& host = *partitions_.at(partition_of(entity).value);
  host.send([&host, entity, from, answer = std::move(answer)] { host.read_page(entity, from, answer); });
}

void Node::list_dead_letters(PartitionId partition, ListAnswer answer) {
  auto& host = *partitions_.at(partition.value);
  host.send([&host, answer = std::move(answer)] { host.list_dead_letters(answer); });
}

void Node::operate(const EntityId& entity, Offset offset, bool redrive, OperationAnswer answer) {
  auto& host = *partitions_.at(partition_of(entity).value);
  host.send(
      [&host, entity, offset, redrive, answer = std::move(answer)] { host.operate(entity, offset, redrive, answer); });
}

// --- Faults.

void Node::kill_some_hub() { (void)partitions_[world_->dice.below(partitions_.size())]->kill_some_hub(); }

void Node::reload_some_partition() {
  auto& host = *partitions_[world_->dice.below(partitions_.size())];
  world_->count("partition reloaded in place");
  world_->tell("partition " + std::to_string(host.id().value) + " is reloaded in place");
  host.reload();
}

void Node::rest_soon() {
  for (auto& host : partitions_) host->rest_soon();
}

std::size_t Node::active_hubs() const {
  std::size_t active = 0;
  for (const auto& host : partitions_) active += host->active_hubs();
  return active;
}

// --- The journal (actors/journal.cc).

void Node::enqueue(Commit commit) {
  waiting_.push_back(std::move(commit));
  if (std::exchange(gathering_, true)) return;
  disk_->send([this] { write(); });
}

void Node::write() {
  gathering_ = false;
  auto batch = std::exchange(waiting_, {});
  if (mutated(Mutation::kJournalOutOfOrder) && batch.size() > 1) {
    // What came last goes first, the others with the next sync.
    waiting_.assign(std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end() - 1));
    batch.erase(batch.begin(), batch.end() - 1);
    gathering_ = true;
    disk_->send([this] { write(); });
  }
  if (batch.size() > 1) world_->count("group commit of several partitions");
  runtime::WriteSet writes;
  for (const auto& commit : batch) writes.append(commit.writes);
  const bool failed_before = store_->read_only();
  const auto written = store_->write(writes);
  if (!written && !failed_before && world_->env.is_powered())
    world_->tell("a commit fails: " + written.error().message);
  // The answers are on their way when the journal already writes again.
  for (const auto& commit : batch) {
    auto& host = *partitions_.at(commit.partition);
    world_->schedule.after(world_->delay(world_->settings.disk_pace), [&host, written, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      host.send([&host, written] { host.commit_answered(written); });
    });
  }
}

}  // namespace carillon::simulation
