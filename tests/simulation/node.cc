#include "tests/simulation/node.h"

#include <algorithm>
#include <utility>

#include "runtime/mutation.h"
#include "tests/simulation/gateway.h"
#include "tests/simulation/session.h"
#include "tests/simulation/towns.h"

namespace carillon::simulation {

using runtime::mutated;
using runtime::Mutation;

namespace {

constexpr Micros kTick = 100'000;
constexpr std::size_t kEventsPerStep = 7;

Micros micros(std::chrono::milliseconds time) { return time.count() * 1'000; }

}  // namespace

Result<std::unique_ptr<runtime::Store>> open_store(World& world) {
  runtime::StoreOptions options;
  options.directory = kStoreDirectory;
  options.partitions = world.settings.partitions;
  options.env = &world.env;
  options.write_buffer_bytes = world.settings.write_buffer_bytes;
  options.block_cache_bytes = 1u << 20;
  return runtime::Store::open(options);
}

// A hub actor (actors/hub.cc).
struct Node::Hub {
  EntityId entity;
  PartitionActor* home = nullptr;
  std::uint64_t incarnation = 0;
  std::shared_ptr<Inbox> inbox;
  std::optional<runtime::Fold> fold;
  std::optional<Offset> reported;
  Offset handed = 0;
  bool continuing = false;
  bool busy_since_rest_due = true;
  bool rest_soon = false;
};

// --- Life.

std::unique_ptr<Node> Node::start(World& world) {
  auto store = open_store(world);
  if (!store) {
    world.tell("the store does not open: " + store.error().message);
    world.env.settle();
    return nullptr;
  }
  std::unique_ptr<Node> node(new Node(world, std::move(*store)));
  for (auto& actor : node->partitions_)
    if (!node->load(actor)) return nullptr;
  for (auto& actor : node->partitions_) {
    node->perform(actor);
    node->tick(actor);
  }
  return node;
}

Node::Node(World& world, std::unique_ptr<runtime::Store> store)
    : world_(&world),
      store_(std::move(store)),
      catalogue_(catalogue_of_towns()),
      partitions_(world.settings.partitions),
      disk_(Inbox::make(world, world.settings.disk_pace)),
      alive_(std::make_shared<bool>(true)) {
  for (std::uint16_t p = 0; p < world.settings.partitions; ++p) {
    partitions_[p].id = {p};
    partitions_[p].inbox = Inbox::make(world, world.settings.partition_pace);
    partitions_[p].reader = Inbox::make(world, world.settings.disk_pace);
  }
  gateway_ = std::make_unique<Gateway>(world, *this);
}

Node::~Node() {
  // LevelDB waits for its background work when it is closed.
  world_->env.settle();
}

// --- Partitions (actors/partition.cc).

template <class Input>
void Node::run(PartitionActor& actor, Input&& input) {
  if (!actor.partition) return;
  try {
    input(*actor.partition);
    perform(actor);
  } catch (const BrokenInvariant& bug) {
    world_->broken("no invariant breaks", bug.what());
  }
}

// False when the disk failed meanwhile.
bool Node::load(PartitionActor& actor) {
  if (actor.commit_under_way) return true;  // What it wrote must be readable first.
  const bool again = std::exchange(actor.reload_wanted, false);
  actor.partition.reset();
  while (!actor.hubs.empty()) dismiss(actor, EntityId(actor.hubs.begin()->first));
  for (auto& [call, answer] : std::exchange(actor.operation_answers, {}))
    answer(Error{ErrorCode::UNAVAILABLE, "the partition was loaded anew; look whether it was done"});

  auto opened = runtime::Partition::open({actor.id, world_->settings.partitions, catalogue_, world_->settings.limits,
                                          world_->settings.fold_before_commit, actor.reloads + (again ? 1 : 0)},
                                         *store_);
  if (!opened) {
    if (world_->env.is_powered())
      world_->broken("P1: what is durable can be read",
                     "partition " + std::to_string(actor.id.value) + " does not open: " + opened.error().message);
    return false;
  }
  actor.partition = std::move(*opened);
  if (!again) return true;
  ++actor.reloads;
  gateway_->reloaded(actor.id, actor.reloads);
  for (auto& peer : partitions_)
    if (&peer != &actor)
      peer.inbox->send([this, &peer] { run(peer, [](auto& partition) { partition.restart_hubs(); }); });
  for (const auto& [id, session] : sessions_) session->partition_reloaded(actor.id);
  perform(actor);
  return true;
}

void Node::dismiss(PartitionActor& actor, const EntityId& entity) {
  const auto found = actor.hubs.find(entity);
  if (found == actor.hubs.end()) return;
  // It may have sent a report that is still on its way; that finds another incarnation, or none.
  found->second->inbox->close();
  actor.hubs.erase(found);
}

void Node::activate(PartitionActor& actor, const runtime::Outputs::Activation& activation) {
  auto hub = std::make_shared<Hub>(
      Hub{activation.hub, &actor, activation.incarnation, Inbox::make(*world_, world_->settings.hub_pace)});
  hub->rest_soon = resting_soon_;
  hub->inbox->send([this, at = hub.get()] {
    auto opened = runtime::Fold::open({at->entity, world_->settings.partitions, world_->settings.limits},
                                      *catalogue_.find(at->entity.kind()), *store_);
    if (!opened) return hub_ended(*at);
    at->fold.emplace(std::move(*opened));
  });
  actor.hubs[activation.hub] = hub;
  rest_due(*hub);
}

void Node::perform(PartitionActor& actor) {
  auto outputs = actor.partition->take();
  if (outputs.commit) {
    actor.commit_under_way = true;
    Commit commit{actor.id.value, std::move(*outputs.commit)};
    if (mutated(Mutation::kHandBeforeJournal))
      world_->schedule.after(world_->delay(2'000), [this, alive = std::weak_ptr(alive_), commit = std::move(commit)] {
        if (!alive.expired()) enqueue(commit);
      });
    else
      enqueue(std::move(commit));
  }
  for (const auto& hub : outputs.dismissals) dismiss(actor, hub);
  for (const auto& activation : outputs.activations) activate(actor, activation);
  if (actor.partition->counters().active_hubs > world_->settings.limits.active_hubs_max)
    world_->broken("P7: bounded", "more hubs are active than active_hubs_max");
  if (actor.partition->counters().active_hubs == world_->settings.limits.active_hubs_max)
    world_->count("all places for active hubs taken");
  for (auto& feed : outputs.feeds) {
    const auto found = actor.hubs.find(feed.hub);
    if (found == actor.hubs.end()) continue;
    found->second->inbox->send([this, hub = found->second.get(), feed = std::move(feed)]() mutable {
      if (!hub->fold) return;
      if (feed.catch_up > 0) hub->fold->catch_up(feed.catch_up);
      for (auto& slice : feed.events) {
        hub->handed = slice.last();
        hub->fold->hand(std::move(slice));
      }
      if (hub->handed > hub->fold->folded() + world_->settings.limits.hub_events_ahead_max)
        world_->broken("P7: bounded", "hub " + hub->entity.text() + " was handed more than hub_events_ahead_max");
      work(*hub);
    });
  }
  for (auto& [target, emissions] : outputs.emissions) {
    auto& peer = partitions_.at(target);
    peer.inbox->send([this, &peer, from = actor.id, emissions = std::move(emissions)]() mutable {
      run(peer, [&](auto& partition) { partition.emissions_arrived(from, std::move(emissions), world_->wall()); });
    });
  }
  for (auto& [source, acks] : outputs.acks) {
    auto& peer = partitions_.at(source);
    peer.inbox->send([this, &peer, by = actor.id, acks = std::move(acks)] {
      for (const auto& ack : acks) {
        const auto found = peer.hubs.find(ack.hub);
        if (found == peer.hubs.end()) continue;
        found->second->inbox->send([this, hub = found->second.get(), by, upto = ack.upto] {
          if (!hub->fold) return;
          hub->fold->acknowledged(by, upto);
          work(*hub);
        });
      }
    });
  }
  for (auto& published : outputs.published) gateway_->answered(std::move(published));
  for (auto& [id, deliveries] : outputs.deliveries) {
    const auto session = sessions_.find(id);
    if (session != sessions_.end()) session->second->notifications_committed(std::move(deliveries));
  }
  for (auto& done : outputs.redriven) {
    const auto found = actor.operation_answers.find(done.call);
    if (found == actor.operation_answers.end()) continue;
    found->second(std::move(done.outcome));
    actor.operation_answers.erase(found);
  }
}

void Node::tick(PartitionActor& actor) {
  world_->schedule.after(kTick, [this, &actor, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    actor.inbox->send([this, &actor] {
      run(actor, [&](auto& partition) { partition.tick(world_->wall()); });
      tick(actor);
    });
  });
}

void Node::publish(PartitionId partition, runtime::PublishRequest request, std::uint64_t life) {
  auto& actor = partitions_.at(partition.value);
  actor.inbox->send([this, &actor, request = std::move(request), life]() mutable {
    if (life != actor.reloads) return;  // Answered by `reloaded`.
    run(actor, [&](auto& at) { at.publish(std::move(request), world_->wall()); });
  });
}

// --- Sessions and operators.

void Node::open_session(std::shared_ptr<Session> session) {
  const auto id = session->id();
  sessions_.emplace(id, std::move(session));
}

void Node::close_session(runtime::SessionId id) {
  sessions_.erase(id);
  for (auto& actor : partitions_)
    actor.inbox->send([&actor, id] {
      if (actor.partition) actor.partition->unfollow(id);
    });
}

void Node::follow(const EntityId& entity, runtime::Follower follower) {
  auto& actor = partitions_.at(partition_of(entity).value);
  actor.inbox->send([this, &actor, entity, follower] {
    const auto session = sessions_.find(follower.session);
    if (session == sessions_.end() || !actor.partition) return;
    session->second->following(follower.follow, actor.partition->follow(entity, follower));
  });
}

void Node::read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) {
  auto& actor = partitions_.at(partition_of(entity).value);
  actor.inbox->send([this, &actor, entity, from, answer = std::move(answer)] {
    if (world_->dice.chance(0.03) && !world_->calm) {
      world_->count("too many readers");
      return answer(Error{ErrorCode::OVERLOADED, "too many streams are being read; try again in a moment"});
    }
    actor.reader->send([this, &actor, entity, from, answer] {
      answer(runtime::read_mailbox(*store_, actor.id, entity, from, {world_->settings.page_events, 100'000}));
    });
  });
}

void Node::list_dead_letters(PartitionId partition, ListAnswer answer) {
  auto& actor = partitions_.at(partition.value);
  actor.inbox->send([&actor, answer = std::move(answer)] {
    if (!actor.partition) return;
    auto letters = actor.partition->dead_letters(std::nullopt, 10);
    if (letters) answer(std::move(*letters));
  });
}

void Node::operate(const EntityId& entity, Offset offset, bool redrive, OperationAnswer answer) {
  auto& actor = partitions_.at(partition_of(entity).value);
  actor.inbox->send([this, &actor, entity, offset, redrive, answer = std::move(answer)] {
    const auto call = ++actor.operations;
    actor.operation_answers.emplace(call, answer);
    run(actor, [&](auto& partition) {
      if (redrive)
        partition.redrive(entity, offset, call, world_->wall());
      else
        partition.discard(entity, offset, call);
    });
  });
}

// --- Hubs (actors/hub.cc).

void Node::work(Hub& hub) {
  if (!hub.fold) return;
  hub.busy_since_rest_due = true;
  auto step = hub.fold->step(kEventsPerStep);
  if (!step) return hub_ended(hub);
  const bool failed = step->failure.has_value();
  const bool news = !step->emissions.empty() || step->snapshot || failed || hub.reported != hub.fold->folded();
  const bool more = step->more && !failed;
  if (news) {
    hub.reported = hub.fold->folded();
    auto& home = *hub.home;
    home.inbox->send([this, &home,
                      report = runtime::HubReport{hub.entity, hub.incarnation, hub.fold->folded(), hub.fold->cursor(),
                                                  std::move(step->emissions), std::move(step->snapshot),
                                                  std::move(step->failure)}]() mutable {
      run(home, [&](auto& partition) { partition.report(std::move(report), world_->wall()); });
    });
  }
  if (failed) {
    world_->count("handler failed");
    hub.fold.reset();  // Half changed perhaps; the partition dismisses this actor.
  } else if (more && !hub.continuing) {
    hub.continuing = true;
    hub.inbox->send([this, &hub] {
      hub.continuing = false;
      work(hub);
    });
  } else if (hub.rest_soon) {
    rest_if_idle(hub);
  }
}

void Node::rest_if_idle(Hub& hub) {
  if (!hub.fold || !hub.fold->idle()) return;
  auto& home = *hub.home;
  home.inbox->send([this, &home, entity = hub.entity, incarnation = hub.incarnation, folded = hub.fold->folded(),
                    snapshot = hub.fold->final_snapshot()]() mutable {
    run(home, [&](auto& partition) { partition.rest(entity, incarnation, folded, std::move(snapshot)); });
  });
}

void Node::rest_due(Hub& hub) {
  world_->schedule.after(micros(world_->settings.limits.passivate_after),
                         [this, &hub, inbox = std::weak_ptr(hub.inbox), alive = std::weak_ptr(alive_)] {
                           const auto still = inbox.lock();
                           if (alive.expired() || !still) return;
                           still->send([this, &hub] {
                             if (!std::exchange(hub.busy_since_rest_due, false)) rest_if_idle(hub);
                             rest_due(hub);
                           });
                         });
}

// Its partition hears of it, as by CAF's down message.
void Node::hub_ended(Hub& hub) {
  hub.fold.reset();
  auto& home = *hub.home;
  home.inbox->send([this, &home, entity = hub.entity, incarnation = hub.incarnation, reloads = home.reloads] {
    const auto found = home.hubs.find(entity);
    if (reloads != home.reloads || found == home.hubs.end() || found->second->incarnation != incarnation) return;
    dismiss(home, entity);
    run(home, [&](auto& partition) { partition.hub_lost(entity, incarnation, world_->wall()); });
  });
}

void Node::kill_some_hub() {
  auto& actor = partitions_[world_->dice.below(partitions_.size())];
  if (actor.hubs.empty()) return;
  auto& hub =
      *std::next(actor.hubs.begin(), static_cast<std::ptrdiff_t>(world_->dice.below(actor.hubs.size())))->second;
  world_->count("hub actor died");
  world_->tell("hub " + hub.entity.text() + " dies");
  hub.inbox->close();
  hub_ended(hub);
}

void Node::reload_some_partition() {
  auto& actor = partitions_[world_->dice.below(partitions_.size())];
  world_->count("partition reloaded in place");
  world_->tell("partition " + std::to_string(actor.id.value) + " is reloaded in place");
  actor.inbox->send([this, &actor] {
    actor.reload_wanted = true;
    (void)load(actor);
  });
}

void Node::rest_soon() {
  resting_soon_ = true;
  for (auto& actor : partitions_)
    for (auto& [entity, hub] : actor.hubs) {
      hub->rest_soon = true;
      hub->inbox->send([this, at = hub.get()] { rest_if_idle(*at); });
    }
}

std::size_t Node::active_hubs() const {
  std::size_t active = 0;
  for (const auto& actor : partitions_)
    if (actor.partition) active += actor.partition->counters().active_hubs;
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
    auto& actor = partitions_.at(commit.partition);
    world_->schedule.after(world_->delay(world_->settings.disk_pace),
                           [&actor, this, written, alive = std::weak_ptr(alive_)] {
                             if (alive.expired()) return;
                             actor.inbox->send([this, &actor, written] {
                               actor.commit_under_way = false;
                               if (actor.reload_wanted) return static_cast<void>(load(actor));
                               run(actor, [&](auto& partition) {
                                 if (written)
                                   partition.committed(world_->wall());
                                 else
                                   partition.commit_failed(written.error());
                               });
                             });
                           });
  }
}

}  // namespace carillon::simulation
