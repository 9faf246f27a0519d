#include "actors/partition.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>

#include "actors/hub.h"
#include "actors/player.h"

namespace carillon::actors {

void PartitionStats::add(const PartitionStats& past) {
  counters.add(past.counters);
  reloads += past.reloads;
  commit.merge(past.commit);
  fold.merge(past.fold);
}

namespace {

using Self = caf::stateful_actor<PartitionActorState>*;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kLoadAgainAfter{10};
constexpr std::size_t kEmissionBytesAtOnce = 1024 * 1024;
constexpr std::size_t kBesidePayload = 64;
constexpr std::size_t kPlayersMax = 4'096;  // Per partition; for one more another one ends.

caf::actor address(Self self) { return caf::actor_cast<caf::actor>(self); }
UnixMs now(Self self) { return self->state.clock.now(); }

void load(Self self);
void perform(Self self);

Error not_loaded(Self self) {
  return self->state.problem.value_or(
      Error{ErrorCode::UNAVAILABLE, "the partition is being loaded; try again in a moment", 0});
}

// --- Hubs.

void dismiss(Self self, const EntityId& entity) {
  auto& state = self->state;
  const auto found = state.hubs.find(entity);
  if (found == state.hubs.end()) return;
  self->demonitor(found->second.actor);
  state.hub_addresses.erase(found->second.actor.address());
  self->send(found->second.actor, Dismiss{});
  state.hubs.erase(found);
}

caf::actor spawn_hub(Self self, HubOptions options, const std::shared_ptr<const runtime::Storage>& storage) {
  if (options.aside) {
    try {
      return self->spawn<caf::detached>(hub, options, storage, address(self));
    } catch (const std::system_error& no_thread) {
      spdlog::warn("hub {} has no thread of its own: {}", options.fold.hub.text(), no_thread.what());
      options.aside = false;
    }
  }
  return self->spawn(hub, std::move(options), storage, address(self));
}

void activate(Self self, const runtime::Outputs::Activation& activation) {
  auto& state = self->state;
  const auto& options = state.options->partition;
  HubOptions hub_options{{activation.hub, options.partitions, options.limits, state.options->emission_bytes},
                         *options.catalogue.find(activation.hub.kind()),
                         activation.incarnation,
                         activation.aside};
  const std::shared_ptr<const runtime::Storage> storage = state.options->store;
  const auto actor = spawn_hub(self, std::move(hub_options), storage);
  self->monitor(actor);
  state.hub_addresses.emplace(actor.address(), activation.hub);
  state.hubs[activation.hub] = {actor, activation.incarnation, Clock::now()};
  state.had_work = true;
  if (state.draining) self->send(actor, RestSoon{});
  std::erase_if(state.inspections, [&](const InspectHub& inspection) {
    if (!(inspection.hub == activation.hub)) return false;
    self->send(actor, inspection);
    return true;
  });
}

void hub_down(Self self, const caf::down_msg& down) {
  auto& state = self->state;
  const auto found = state.hub_addresses.find(down.source);
  if (found == state.hub_addresses.end()) return;
  const auto entity = found->second;
  const auto incarnation = state.hubs.at(entity).incarnation;
  state.hub_addresses.erase(found);
  state.hubs.erase(entity);
  spdlog::warn("hub {} ended ({}); it starts anew from its mailbox", entity.text(), caf::to_string(down.reason));
  if (state.partition) state.partition->hub_lost(entity, incarnation, now(self));
}

// The reason is not for the log: it may quote what was published.
void log_dead_letter(Self self, const runtime::Outputs::DeadLettered& letter) {
  const auto unlogged = self->state.dead_letters_named.next(Clock::now());
  if (!unlogged) return;
  spdlog::warn("hub {} cannot handle its event {} after {} attempts: it goes to the dead letters{}{}{}",
               letter.hub.text(), letter.offset, letter.attempts,
               letter.in_place_of ? ", and the oldest of as many as a hub may have, " +
                                        std::to_string(*letter.in_place_of) + ", is discarded"
                                  : "",
               letter.traceparent ? "; trace " + letter.traceparent->trace_id() : "",
               *unlogged > 0 ? "; " + std::to_string(*unlogged) + " more before it, not logged" : "");
}

// --- Carrying out.

void finish_operation(Self self, runtime::Outputs::Redriven& done) {
  auto& answers = self->state.operation_answers;
  const auto found = answers.find(done.call);
  if (found == answers.end()) return;
  found->second(std::move(done.outcome));
  answers.erase(found);
}

void answer(Self self, runtime::Published& published) {
  const auto found = self->state.sessions.find(published.session);
  if (found != self->state.sessions.end()) found->second->published(std::move(published));
}

// All that one commit has for the sessions of a host goes there together.
void deliver(Self self, std::unordered_map<runtime::SessionId, std::vector<runtime::Delivery>>& deliveries) {
  const auto committed = Clock::now();
  std::vector<std::pair<SessionHost*, std::vector<SessionHost::News>>> by_host;  // Few.
  for (auto& [session, news] : deliveries) {
    const auto found = self->state.sessions.find(session);
    if (found == self->state.sessions.end()) continue;
    auto* const host = found->second.get();
    auto at = std::ranges::find(by_host, host, [](const auto& entry) { return entry.first; });
    if (at == by_host.end()) at = by_host.insert(at, {host, {}});
    at->second.push_back({session, std::move(news)});
  }
  for (auto& [host, news] : by_host) host->committed(std::move(news), committed);
}

// In several messages when there is much: each frame of a link is a sign of life, and one that takes long is none.
void send_emissions(Self self, const caf::actor& target, std::vector<runtime::HubEmissions> all) {
  std::vector<runtime::HubEmissions> some;
  std::size_t bytes = 0;
  const auto send = [&] {
    self->send(target, EmissionsArrived{self->state.partition->id(), std::exchange(some, {})});
    bytes = 0;
  };
  for (auto& of_hub : all) {
    auto sequence = of_hub.first;
    runtime::HubEmissions* piece = nullptr;
    for (auto& emission : of_hub.emissions) {
      if (piece == nullptr)
        piece = &some.emplace_back(runtime::HubEmissions{of_hub.hub, sequence, {}, of_hub.acknowledged});
      bytes += emission.event.payload.size() + kBesidePayload;
      piece->emissions.push_back(std::move(emission));
      ++sequence;
      if (bytes < kEmissionBytesAtOnce) continue;
      send();
      piece = nullptr;
    }
  }
  if (!some.empty()) send();
}

void perform(Self self) {
  auto& state = self->state;
  if (!state.partition) return;
  auto outputs = state.partition->take();

  if (outputs.commit) {
    state.commit_under_way = true;
    state.commit_sent = Clock::now();
    self->send(state.options->journal, Commit{state.partition->id(), address(self), std::move(*outputs.commit)});
  }
  for (const auto& hub : outputs.dismissals) dismiss(self, hub);
  for (const auto& activation : outputs.activations) activate(self, activation);
  for (auto& feed : outputs.feeds) {
    const auto hub = state.hubs.find(feed.hub);
    if (hub == state.hubs.end()) continue;
    hub->second.fed = Clock::now();
    self->send(hub->second.actor, FeedHub{feed.catch_up, std::move(feed.events)});
  }
  for (const auto& hub : outputs.rests)
    if (const auto found = state.hubs.find(hub); found != state.hubs.end()) self->send(found->second.actor, RestSoon{});
  for (auto& [target, emissions] : outputs.emissions)
    send_emissions(self, (*state.peers)[target], std::move(emissions));
  for (auto& [source, acks] : outputs.acks)
    self->send((*state.peers)[source], EmissionsAccepted{state.partition->id(), std::move(acks)});
  for (auto& published : outputs.published) answer(self, published);
  if (!outputs.deliveries.empty()) deliver(self, outputs.deliveries);
  for (auto& done : outputs.redriven) finish_operation(self, done);
  for (const auto& letter : outputs.dead_lettered) log_dead_letter(self, letter);
  for (const auto& hub : outputs.not_installed)
    spdlog::warn("hub {} has events that wait: no behaviour is installed for its kind", hub.text());

  if (state.drain_reply_to && state.partition->at_rest()) {
    self->send(std::exchange(state.drain_reply_to, nullptr),
               Drained{state.partition->id(), std::exchange(state.had_work, false)});
  }
}

void perform_soon(Self self) {
  if (!std::exchange(self->state.perform_due, true)) self->send(self, PerformDue{});
}

// Runs `steps`. A broken invariant ends the partition, not the process.
template <class Steps>
void guarded(Self self, Steps&& steps) {
  auto& state = self->state;
  try {
    steps();
  } catch (const std::exception& broken) {
    spdlog::critical("partition {} met a bug and is loaded anew from disk: {}", state.options->partition.id.value,
                     broken.what());
    ++state.bugs;
    state.reload_wanted = true;
    load(self);
  }
}

// Runs `input` on the partition. What follows is carried out once for all inputs that wait already, so that a busy
// partition sends few and large messages.
template <class Input>
void run(Self self, Input&& input) {
  auto& state = self->state;
  if (!state.partition) return;
  guarded(self, [&] { input(*state.partition); });
  perform_soon(self);
}

void give_up_operations(Self self, const char* why) {
  for (auto& [call, answer_operation] : std::exchange(self->state.operation_answers, {}))
    answer_operation(Error{ErrorCode::UNAVAILABLE, why});
}

// --- Loading.

Result<std::unique_ptr<runtime::Partition>> open(const PartitionOptions& options) {
  try {
    return runtime::Partition::open(options.partition, *options.store);
  } catch (const std::exception& broken) {
    return Error{ErrorCode::UNAVAILABLE, std::string("its loading met a bug: ") + broken.what()};
  }
}

void load(Self self) {
  auto& state = self->state;
  const auto id = state.options->partition.id;
  if (state.commit_under_way) return;  // What it wrote must be readable first.
  const bool again = std::exchange(state.reload_wanted, false);
  if (state.partition) state.counted_before.add(state.partition->counters());
  state.partition.reset();
  while (!state.hubs.empty()) dismiss(self, EntityId(state.hubs.begin()->first));
  give_up_operations(self, "the partition was loaded anew; look whether it was done");

  if (again) state.options->partition.life = ++state.reloads;
  auto opened = open(*state.options);
  if (!opened) {
    state.problem = opened.error();
    spdlog::error("partition {} is unavailable: {}", id.value, to_string(opened.error()));
    if (state.options->unreadable) state.options->unreadable(opened.error());
    self->delayed_send(self, kLoadAgainAfter, LoadAgainDue{});
  } else {
    state.problem.reset();
    state.partition = std::move(*opened);
  }
  if (again) {
    state.options->reloaded(id, state.reloads);
    for (const auto& peer : *state.peers)
      if (peer != address(self)) self->send(peer, RestartHubs{id});
    for (const auto& [session, host] : state.sessions) host->reloaded(session, id);
  }
  perform_soon(self);
}

// --- Requests.

void publish(Self self, Publish& message) {
  auto& state = self->state;
  if (message.life != state.reloads) return;  // Answered by `reloaded`.
  if (state.partition)
    return run(self, [&](auto& partition) { partition.publish(std::move(message.request), now(self)); });
  const auto& items = message.request.items;
  runtime::Published refused{message.request.session, message.request.call, 0, 0, {}, items.front().index};
  for (const auto& item : items) refused.refusals.push_back({item.index, not_loaded(self)});
  answer(self, refused);
}

void follow(Self self, const FollowEntity& request) {
  auto& state = self->state;
  const auto session = state.sessions.find(request.follower.session);
  if (session == state.sessions.end()) return;
  auto extent = state.partition ? state.partition->follow(request.entity, request.follower)
                                : Result<runtime::Extent>(not_loaded(self));
  session->second->following(session->first, {request.follower.follow, std::move(extent)});
}

void read_page(Self self, const ReadPage& request) {
  auto& state = self->state;
  auto& player_actor = state.players[request.entity];
  if (!player_actor) {
    // What it has been asked for it still answers.
    if (state.players.size() > kPlayersMax) {
      auto other = state.players.begin();
      if (other->first == request.entity) ++other;
      self->send(other->second, Dismiss{});
      state.players.erase(other);
    }
    player_actor = self->spawn(player, request.entity, state.options->partition.id,
                               std::shared_ptr<const runtime::Storage>(state.options->store), address(self),
                               state.options->partition.limits.passivate_after);
  }
  self->send(player_actor, request);
}

void player_idle(Self self, const PlayerIdle& idle) {
  auto& players = self->state.players;
  const auto found = players.find(idle.entity);
  if (found == players.end() || found->second != idle.actor) return;
  self->send(idle.actor, Dismiss{});
  players.erase(found);
}

void inspect_hub(Self self, const InspectHub& request) {
  auto& state = self->state;
  if (!state.partition) return request.answer(not_loaded(self));
  const auto active = state.hubs.find(request.hub);
  if (active != state.hubs.end()) return self->send(active->second.actor, request);
  if (auto woken = state.partition->wake(request.hub); !woken) return request.answer(woken.error());
  state.inspections.push_back(request);
  perform(self);
  // Not woken: it waits for a retry.
  std::erase_if(state.inspections, [&](const InspectHub& inspection) {
    if (!(inspection.hub == request.hub)) return false;
    inspection.answer(Error{ErrorCode::UNAVAILABLE, "the hub waits to be started anew; try again in a moment"});
    return true;
  });
}

void operate(Self self, const StartOperation& request) {
  auto& state = self->state;
  if (!state.partition) return request.answer(not_loaded(self));
  const auto call = ++state.operations;
  state.operation_answers.emplace(call, request.answer);
  run(self, [&](auto& partition) {
    if (request.redrive)
      partition.redrive(request.entity, request.offset, call, now(self));
    else
      partition.discard(request.entity, request.offset, call);
  });
}

void drain(Self self, const Drain& request) {
  auto& state = self->state;
  if (!state.partition) return self->send(request.reply_to, Drained{state.options->partition.id, false});
  state.draining = true;
  state.drain_reply_to = request.reply_to;
  state.partition->finish();
  for (const auto& [entity, hub_actor] : state.hubs) self->send(hub_actor.actor, RestSoon{});
  perform(self);
}

PartitionStats stats(Self self) {
  const auto& state = self->state;
  PartitionStats stats;
  stats.partition = state.options->partition.id;
  stats.reloads = state.bugs;
  stats.commit = state.commit_latency;
  stats.fold = state.fold_latency;
  if (state.partition) {
    stats.counters = state.partition->counters();
    stats.not_installed = state.partition->not_installed();
    stats.not_computed = state.partition->not_computed();
    stats.busiest = state.partition->busiest().top();
    stats.busiest_ms = state.partition->busiest().window_ms(now(self));
    stats.available = !state.partition->failed();
    if (state.partition->failed()) stats.problem = state.partition->failed()->message;
  } else {
    stats.available = false;
    stats.problem = not_loaded(self).message;
  }
  stats.counters.add(state.counted_before);
  return stats;
}

void stop(Self self) {
  auto& state = self->state;
  while (!state.hubs.empty()) dismiss(self, EntityId(state.hubs.begin()->first));
  for (const auto& [entity, player_actor] : std::exchange(state.players, {})) self->send(player_actor, Dismiss{});
  give_up_operations(self, "the partition is not served here any more; look whether it was done");
  const auto& route = (*state.peers)[state.options->partition.id.value];
  if (route != address(self)) self->send(route, PartitionEnded{stats(self)});
  self->quit();
}

caf::behavior loaded(Self self) {
  return {
      [=](PerformDue) {
        self->state.perform_due = false;
        guarded(self, [&] { perform(self); });
      },
      [=](Publish& message) { publish(self, message); },
      [=](Committed) {
        auto& state = self->state;
        state.commit_under_way = false;
        state.commit_latency.add(Clock::now() - state.commit_sent);
        if (state.reload_wanted) return load(self);
        run(self, [&](auto& partition) { partition.committed(now(self)); });
      },
      [=](const CommitFailed& failed) {
        auto& state = self->state;
        state.commit_under_way = false;
        spdlog::critical("partition {} accepts nothing more: {}", state.options->partition.id.value,
                         to_string(failed.error));
        if (state.reload_wanted) return load(self);
        run(self, [&](auto& partition) { partition.commit_failed(failed.error); });
      },
      [=](runtime::HubReport& report) {
        auto& state = self->state;
        if (const auto hub = state.hubs.find(report.hub); hub != state.hubs.end())
          state.fold_latency.add(Clock::now() - hub->second.fed);
        run(self, [&](auto& partition) { partition.report(std::move(report), now(self)); });
      },
      [=](EmissionsArrived& arrived) {
        run(self, [&](auto& partition) {
          partition.emissions_arrived(arrived.from, std::move(arrived.emissions), now(self));
        });
      },
      [=](const EmissionsAccepted& accepted) {
        for (const auto& ack : accepted.acks) {
          const auto hub = self->state.hubs.find(ack.hub);
          if (hub != self->state.hubs.end())
            self->send(hub->second.actor, EmissionsAcknowledged{accepted.by, ack.upto});
          if (ack.untaken) run(self, [&](auto& partition) { partition.repeat_later(ack.hub, now(self)); });
        }
      },
      [=](Rest& rest) {
        run(self, [&](auto& partition) {
          partition.rest(rest.hub, rest.incarnation, rest.folded, std::move(rest.snapshot));
        });
      },
      [=](const RestartHubs& restart) {
        for (const auto& [entity, hub_actor] : self->state.hubs) self->send(hub_actor.actor, restart);
      },
      [=](const HubStale& stale) {
        run(self, [&](auto& partition) { partition.restart_hub(stale.hub, stale.incarnation); });
      },
      [=](TickDue) {
        run(self, [&](auto& partition) { partition.tick(now(self)); });
        self->delayed_send(self, kTick, TickDue{});
      },
      [=](LoadAgainDue) {
        if (self->state.partition) return;
        self->state.reload_wanted = true;  // Others wait for what they had sent.
        load(self);
      },
      [=](const SessionOpened& opened) { self->state.sessions[opened.session] = opened.host; },
      [=](const SessionClosed& closed) {
        self->state.sessions.erase(closed.session);
        if (self->state.partition) self->state.partition->unfollow(closed.session);
      },
      [=](const FollowEntity& request) { follow(self, request); },
      [=](const UnfollowEntity& request) {
        if (self->state.partition) self->state.partition->unfollow(request.entity, request.follower);
      },
      [=](const ReadPage& request) { read_page(self, request); },
      [=](const PlayerIdle& idle) { player_idle(self, idle); },
      [=](const InspectHub& request) { guarded(self, [&] { inspect_hub(self, request); }); },
      [=](const StartOperation& request) { operate(self, request); },
      [=](const InspectEntity& request) {
        const auto& loaded = self->state.partition;
        request.answer(loaded ? loaded->inspect(request.entity) : not_loaded(self));
      },
      [=](const ListDeadLetters& request) {
        const auto& loaded = self->state.partition;
        request.answer(loaded ? loaded->dead_letters(request.entity, request.most) : not_loaded(self));
      },
      [=](const AskStats& ask) { ask.answer(stats(self)); },
      [=](const Drain& request) { guarded(self, [&] { drain(self, request); }); },
      [=](Stop) { stop(self); },
  };
}

}  // namespace

// Until it is loaded, everything waits in its mailbox: a partition that was loaded sooner may send emissions at once, and
// would not send them again.
caf::behavior partition(Self self, PartitionOptions options) {
  self->state.options.emplace(std::move(options));
  self->set_down_handler([=](caf::down_msg& down) {
    guarded(self, [&] { hub_down(self, down); });
    perform_soon(self);
  });
  self->set_default_handler(caf::skip);
  return {[=](const Peers& peers) {
    self->state.peers = peers.partitions;
    self->set_default_handler(caf::print_and_drop);
    self->become(loaded(self));
    load(self);
    self->delayed_send(self, kTick, TickDue{});
  }};
}

}  // namespace carillon::actors
