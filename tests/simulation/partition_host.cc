#include "tests/simulation/partition_host.h"

#include <algorithm>

#include "runtime/mailbox.h"
#include "tests/simulation/towns.h"

namespace carillon::simulation {
namespace {

constexpr Micros kTick = 100'000;
constexpr std::size_t kEventsPerStep = 7;

Micros micros(std::chrono::milliseconds time) { return time.count() * 1'000; }

}  // namespace

// A hub actor (actors/hub.cc).
struct PartitionHost::Hub {
  EntityId entity;
  std::uint64_t incarnation = 0;
  std::shared_ptr<Inbox> inbox;
  std::optional<runtime::Fold> fold;
  std::optional<Offset> reported;
  Offset handed = 0;
  bool continuing = false;
  bool busy_since_rest_due = true;
  bool rest_soon = false;
};

PartitionHost::PartitionHost(World& world, PartitionId id, const runtime::Storage& storage, bool fold_before_commit,
                             Outside outside)
    : world_(&world),
      id_(id),
      disk_(&storage),
      storage_(storage, [this](auto) { return read_fails(); }),
      fold_before_commit_(fold_before_commit),
      outside_(std::move(outside)),
      catalogue_(catalogue_of_towns()),
      inbox_(Inbox::make(world, world.settings.partition_pace, outside_.asleep_until)),
      reader_(Inbox::make(world, world.settings.disk_pace, outside_.asleep_until)) {}

PartitionHost::~PartitionHost() = default;

// Who cannot read a partition to begin with does not have it at all: that is another matter.
bool PartitionHost::read_fails() {
  const auto chance = world_->settings.read_error_chance;
  if (chance == 0 || opening_ || world_->calm || !world_->dice.chance(chance)) return false;
  world_->count("read error");
  ++read_errors_;
  return true;
}

// --- Life (actors/partition.cc).

bool PartitionHost::open() {
  opening_ = true;
  auto opened = runtime::Partition::open({id_, world_->settings.partitions, catalogue_, world_->settings.limits,
                                          world_->settings.retention, fold_before_commit_, life_},
                                         storage_);
  opening_ = false;
  if (!opened) {
    if (outside_.is_powered())
      world_->broken("P1: what is durable can be read",
                     "partition " + std::to_string(id_.value) + " does not open: " + opened.error().message);
    return false;
  }
  partition_ = std::move(*opened);
  open_ = std::make_shared<bool>(true);
  return true;
}

void PartitionHost::start() {
  perform();
  tick();
}

void PartitionHost::close() {
  open_.reset();
  partition_.reset();
  commit_under_way_ = reload_wanted_ = false;
  ++life_;
  while (!hubs_.empty()) dismiss(EntityId(hubs_.begin()->first));
  for (auto& [call, answer] : std::exchange(operation_answers_, {}))
    answer(Error{ErrorCode::UNAVAILABLE, "the partition is gone from here; look whether it was done"});
}

// False when the disk failed meanwhile.
bool PartitionHost::load() {
  if (commit_under_way_) return true;  // What it wrote must be readable first.
  reload_wanted_ = false;
  partition_.reset();
  while (!hubs_.empty()) dismiss(EntityId(hubs_.begin()->first));
  for (auto& [call, answer] : std::exchange(operation_answers_, {}))
    answer(Error{ErrorCode::UNAVAILABLE, "the partition was loaded anew; look whether it was done"});
  ++life_;
  const auto still = open_;
  if (!open()) return false;
  if (still) open_ = still;  // Its timer goes on.
  outside_.reloaded();
  perform();
  return true;
}

void PartitionHost::reload() {
  inbox_->send([this] {
    if (!partition_) return;
    reload_wanted_ = true;
    (void)load();
  });
}

void PartitionHost::dismiss(const EntityId& entity) {
  const auto found = hubs_.find(entity);
  if (found == hubs_.end()) return;
  // It may have sent a report that is still on its way; that finds another incarnation, or none.
  found->second->inbox->close();
  hubs_.erase(found);
}

void PartitionHost::activate(const runtime::Outputs::Activation& activation) {
  auto hub = std::make_shared<Hub>(Hub{activation.hub, activation.incarnation,
                                       Inbox::make(*world_, world_->settings.hub_pace, outside_.asleep_until)});
  hub->rest_soon = resting_soon_;
  hub->inbox->send([this, at = hub.get()] {
    auto opened = runtime::Fold::open({at->entity, world_->settings.partitions, world_->settings.limits},
                                      *catalogue_.find(at->entity.kind()), storage_);
    if (!opened) return hub_ended(*at);
    at->fold.emplace(std::move(*opened));
  });
  hubs_[activation.hub] = hub;
  rest_due(*hub);
}

void PartitionHost::perform() {
  auto outputs = partition_->take();
  if (outputs.commit) {
    commit_under_way_ = true;
    world_->remember(*outputs.commit, *disk_);
    outside_.commit(std::move(*outputs.commit));
  }
  for (const auto& hub : outputs.dismissals) dismiss(hub);
  for (const auto& activation : outputs.activations) activate(activation);
  if (partition_->counters().active_hubs > world_->settings.limits.active_hubs_max)
    world_->broken("P7: bounded", "more hubs are active than active_hubs_max");
  if (partition_->counters().active_hubs == world_->settings.limits.active_hubs_max)
    world_->count("all places for active hubs taken");
  for (auto& feed : outputs.feeds) {
    const auto found = hubs_.find(feed.hub);
    if (found == hubs_.end()) continue;
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
  for (const auto& hub : outputs.rests) {
    const auto found = hubs_.find(hub);
    if (found == hubs_.end()) continue;
    world_->count("hub asked to rest for others");
    found->second->rest_soon = true;
    found->second->inbox->send([this, at = found->second.get()] { rest_if_idle(*at); });
  }
  for (auto& [target, emissions] : outputs.emissions) outside_.emissions(target, std::move(emissions));
  for (auto& [source, acks] : outputs.acks) outside_.acks(source, std::move(acks));
  for (auto& published : outputs.published) outside_.published(std::move(published));
  for (auto& [id, deliveries] : outputs.deliveries) outside_.deliver(id, std::move(deliveries));
  for (auto& done : outputs.redriven) {
    const auto found = operation_answers_.find(done.call);
    if (found == operation_answers_.end()) continue;
    found->second(std::move(done.outcome));
    operation_answers_.erase(found);
  }
}

void PartitionHost::tick() {
  world_->schedule.after(kTick, [this, open = std::weak_ptr(open_)] {
    if (open.expired()) return;
    inbox_->send([this, open] {
      if (open.expired()) return;
      run([&](auto& partition) { partition.tick(outside_.wall()); });
      tick();
    });
  });
}

void PartitionHost::commit_answered(const Result<void>& written) {
  commit_under_way_ = false;
  if (reload_wanted_) return static_cast<void>(load());
  run([&](auto& partition) {
    if (written)
      partition.committed(outside_.wall());
    else
      partition.commit_failed(written.error());
  });
}

void PartitionHost::acknowledged(PartitionId by, const std::vector<runtime::EmissionAck>& acks) {
  for (const auto& ack : acks) {
    if (ack.untaken) {
      world_->count("target has not taken what a hub sent");
      run([&](auto& partition) { partition.repeat_later(ack.hub, outside_.wall()); });
    }
    const auto found = hubs_.find(ack.hub);
    if (found == hubs_.end()) continue;
    found->second->inbox->send([this, hub = found->second.get(), by, upto = ack.upto] {
      if (!hub->fold) return;
      hub->fold->acknowledged(by, upto);
      work(*hub);
    });
  }
}

void PartitionHost::restart_hubs(PartitionId target) {
  inbox_->send([this, target] {
    for (const auto& [entity, hub] : hubs_) hub->inbox->send([this, at = hub.get(), target] { restart(*at, target); });
  });
}

void PartitionHost::restart(const Hub& hub, PartitionId target) {
  if (!hub.fold || !hub.fold->outstanding(target)) return;
  world_->count("hub starts anew, for what may be lost");
  inbox_->send([this, entity = hub.entity, incarnation = hub.incarnation] {
    run([&](auto& partition) { partition.restart_hub(entity, incarnation); });
  });
}

// --- Readers and operators.

Result<runtime::Extent> PartitionHost::follow(const EntityId& entity, runtime::Follower follower) {
  return partition_->follow(entity, follower);
}

void PartitionHost::unfollow(runtime::SessionId session) {
  if (partition_) partition_->unfollow(session);
}

void PartitionHost::read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) {
  if (world_->dice.chance(0.03) && !world_->calm) {
    world_->count("too many readers");
    return answer(Error{ErrorCode::OVERLOADED, "too many streams are being read; try again in a moment"});
  }
  reader_->send([this, entity, from, answer = std::move(answer)] {
    answer(runtime::read_mailbox(storage_, id_, entity, from, {world_->settings.page_events, 100'000}));
  });
}

void PartitionHost::list_dead_letters(Entrance::ListAnswer answer) {
  if (!partition_) return;
  const auto errors = read_errors_;
  auto letters = partition_->dead_letters(std::nullopt, 10);
  if (outside_.is_powered() && read_errors_ == errors) {
    if (!letters)
      world_->broken("P6: one bad event stops nobody", "dead letters cannot be listed: " + letters.error().message);
    for (const auto& letter : *letters)
      if (letter.event.type == "unknown")
        world_->broken("P6: one bad event stops nobody", letter.entity.text() + " has lost the event of a dead letter");
  }
  if (letters) answer(std::move(*letters));
}

void PartitionHost::operate(const EntityId& entity, Offset offset, bool redrive, Entrance::OperationAnswer answer) {
  if (!partition_) return answer(Error{ErrorCode::UNAVAILABLE, "the partition is not here"});
  const auto call = ++operations_;
  operation_answers_.emplace(call, std::move(answer));
  run([&](auto& partition) {
    if (redrive)
      partition.redrive(entity, offset, call, outside_.wall());
    else
      partition.discard(entity, offset, call);
  });
}

// --- Hubs (actors/hub.cc).

void PartitionHost::work(Hub& hub) {
  if (!hub.fold) return;
  hub.busy_since_rest_due = true;
  auto step = hub.fold->step(kEventsPerStep);
  if (!step) return hub_ended(hub);
  for (const auto& [target, emissions] : step->emissions)
    if (emissions.last() - emissions.acknowledged > world_->settings.limits.emissions_unacknowledged_max)
      world_->broken("P7: bounded", hub.entity.text() + " sends more than its receiver can tell apart");
  const bool failed = step->failure.has_value();
  const bool news = !step->emissions.empty() || step->snapshot || failed || hub.reported != hub.fold->folded();
  const bool more = step->more && !failed;
  if (news) {
    hub.reported = hub.fold->folded();
    inbox_->send([this, report = runtime::HubReport{hub.entity, hub.incarnation, hub.fold->folded(), hub.fold->cursor(),
                                                    std::move(step->emissions), std::move(step->snapshot),
                                                    std::move(step->failure)}]() mutable {
      run([&](auto& partition) { partition.report(std::move(report), outside_.wall()); });
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

void PartitionHost::rest_if_idle(Hub& hub) {
  if (!hub.fold || !hub.fold->idle()) return;
  inbox_->send([this, entity = hub.entity, incarnation = hub.incarnation, folded = hub.fold->folded(),
                snapshot = hub.fold->final_snapshot()]() mutable {
    run([&](auto& partition) { partition.rest(entity, incarnation, folded, std::move(snapshot)); });
  });
}

void PartitionHost::rest_due(Hub& hub) {
  world_->schedule.after(micros(world_->settings.limits.passivate_after),
                         [this, &hub, inbox = std::weak_ptr(hub.inbox)] {
                           const auto still = inbox.lock();
                           if (!still) return;
                           still->send([this, &hub] {
                             if (!std::exchange(hub.busy_since_rest_due, false)) rest_if_idle(hub);
                             rest_due(hub);
                           });
                         });
}

// Its partition hears of it, as by CAF's down message.
void PartitionHost::hub_ended(Hub& hub) {
  hub.fold.reset();
  inbox_->send([this, entity = hub.entity, incarnation = hub.incarnation, life = life_] {
    const auto found = hubs_.find(entity);
    if (life != life_ || found == hubs_.end() || found->second->incarnation != incarnation) return;
    dismiss(entity);
    run([&](auto& partition) { partition.hub_lost(entity, incarnation, outside_.wall()); });
  });
}

bool PartitionHost::kill_some_hub() {
  if (hubs_.empty()) return false;
  auto& hub = *std::next(hubs_.begin(), static_cast<std::ptrdiff_t>(world_->dice.below(hubs_.size())))->second;
  world_->count("hub actor died");
  world_->tell("hub " + hub.entity.text() + " dies");
  hub.inbox->close();
  hub_ended(hub);
  return true;
}

void PartitionHost::rest_soon() {
  resting_soon_ = true;
  for (auto& [entity, hub] : hubs_) {
    hub->rest_soon = true;
    hub->inbox->send([this, at = hub.get()] { rest_if_idle(*at); });
  }
}

std::size_t PartitionHost::active_hubs() const { return partition_ ? partition_->counters().active_hubs : 0; }

}  // namespace carillon::simulation
