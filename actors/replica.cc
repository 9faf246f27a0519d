#include "actors/replica.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "runtime/witnesses.h"

namespace carillon::actors {
namespace {

constexpr std::chrono::seconds kLookAgainAfter{10};

using Self = caf::stateful_actor<ReplicaState>*;
using cluster::Instant;

caf::actor address(Self self) { return caf::actor_cast<caf::actor>(self); }

Instant instant_of(Clock::time_point at) { return std::chrono::duration_cast<Instant>(at.time_since_epoch()); }
Instant instant_now() { return instant_of(Clock::now()); }

PartitionId id_of(const ReplicaState& state) { return state.options->replica.partition; }

void perform(Self self);
void complain(Self self, const std::string& what);

// --- The partition above.

void tell_serving(Self self) {
  auto& state = self->state;
  state.serving.epoch = state.replica ? state.replica->epoch() : 0;
  self->send((*state.routes)[id_of(state).value], state.serving);
  for (const auto& [node, link] : state.links) self->send(link, state.serving);
}

void begin_to_serve(Self self) {
  auto& state = self->state;
  auto options = state.options->partition;
  options.partition.fold_before_commit = false;
  // Hubs of an earlier partition actor must not be taken for those of this one.
  options.partition.life = ++state.partitions_spawned << 16;
  options.journal = address(self);
  options.reloaded = [me = address(self), spawned = state.partitions_spawned](PartitionId, std::uint64_t life) {
    caf::anon_send(me, PartitionLife{life, spawned});
  };
  options.unreadable = [me = address(self), spawned = state.partitions_spawned](const Error& error) {
    caf::anon_send(me, PartitionUnreadable{error, spawned});
  };
  state.partition = self->spawn(partition, std::move(options));
  spdlog::info("partition {}: primary in epoch {}", id_of(state).value, state.replica->epoch());
  state.serving = {id_of(state), state.partition, 0, 0};
  tell_serving(self);
  // Its hubs begin: by now others are being told where to acknowledge what they send.
  self->send(state.partition, Peers{state.routes});
}

// Not one that was ended since.
bool is_above(const ReplicaState& state, std::uint64_t spawned) {
  return state.partition && spawned == state.partitions_spawned;
}

void end_serving(Self self) {
  auto& state = self->state;
  if (!state.partition) return;
  spdlog::info("partition {}: no longer primary here", id_of(state).value);
  self->send(std::exchange(state.partition, nullptr), Stop{});
  state.serving = {id_of(state), nullptr, 0, 0};
  tell_serving(self);
}

// --- Carrying out.

struct Carry {
  Self self;

  ReplicaState& state() const { return self->state; }
  void operator()(const cluster::BecamePrimary&) const { begin_to_serve(self); }
  void operator()(const cluster::AppendCommitted&) const {
    if (state().partition) self->send(state().partition, Committed{});
  }
  void operator()(const cluster::PrimaryLost&) const { end_serving(self); }
  void operator()(const cluster::DiskFailed& failed) const {
    spdlog::critical("partition {}: {}", id_of(state()).value, failed.error.message);
    // A store that has refused a write takes none until it is opened anew; a read may go well the next time.
    if (!state().options->partition.store->read_only() && !std::exchange(state().unreadable, true))
      self->delayed_send(self, kLookAgainAfter, LookAgainDue{});
    if (state().partition) self->send(state().partition, CommitFailed{failed.error});
  }
  void operator()(const cluster::Discarded&) const {
    spdlog::info("partition {}: nothing of it is kept here any more", id_of(state()).value);
    state().discarded = true;
    state().reopen_wanted = true;
  }
  void operator()(const cluster::EntriesMissing& missing) const {
    if (missing.kept)
      spdlog::error(
          "partition {}: its primary has not got all of the {} entries that this node had applied; they are kept, and "
          "this copy joins nothing",
          id_of(state()).value, missing.applied);
    else
      spdlog::warn(
          "partition {}: somebody has named an older copy, without all of the {} entries that this node had applied; "
          "what is here goes, and a copy is made",
          id_of(state()).value, missing.applied);
  }
};

void note_standing(const ReplicaState& state) {
  auto& standing = *(*state.options->standings)[id_of(state).value];
  const auto until = state.replica ? state.replica->readable_until() : Instant{};
  const auto at = until == Instant::max() ? Clock::time_point::max()
                                          : Clock::time_point(std::chrono::duration_cast<Clock::duration>(until));
  standing.read_lease_until.store(at.time_since_epoch().count(), std::memory_order_relaxed);
  standing.may_publish.store(state.replica && state.replica->may_publish(), std::memory_order_relaxed);
}

void open(Self self) {
  auto& state = self->state;
  if (!state.writes.empty()) return;  // They must be readable first.
  state.reopen_wanted = false;
  state.unreadable = state.looked_for_holes = false;
  state.ticks = 0;
  ++state.options->replica.life;
  auto opened = cluster::Replica::open(state.options->replica, *state.options->partition.store, instant_now());
  if (!opened) {
    complain(self, "its copy here is of no use: " + opened.error().message);
    self->delayed_send(self, kLookAgainAfter, LookAgainDue{});
    return note_standing(state);
  }
  state.replica = std::move(*opened);
  for (const auto& [node, up] : state.up) {
    if (up)
      state.replica->link_up(node, instant_now());
    else
      state.replica->link_lost(node, instant_now());
  }
  if (state.record) state.replica->record_changed(state.record->record, state.record->revision, instant_now());
  perform(self);
}

void throw_away(Self self) {
  auto& state = self->state;
  end_serving(self);
  state.counted_before.add(state.replica->counters());
  state.replica.reset();
  note_standing(state);
  for (auto& number : state.writes) number = 0;
  state.reopen_wanted = true;
  open(self);
}

// A copy joins again, and may lead again, once all of it can be read that a partition reads to begin with.
void look_again(Self self) {
  auto& state = self->state;
  if (!state.replica) return open(self);
  if (!state.unreadable) return;
  const auto& above = state.options->partition;
  if (runtime::Partition::open(above.partition, *above.store)) return throw_away(self);
  self->delayed_send(self, kLookAgainAfter, LookAgainDue{});
}

void perform(Self self) {
  auto& state = self->state;
  if (!state.replica) return;
  auto outputs = state.replica->take();
  for (auto& write : outputs.writes) {
    state.writes.push_back(write.number);
    self->send(state.options->journal, Commit{id_of(state), address(self), std::move(write.writes), write.sync});
  }
  note_standing(state);
  for (const auto& outgoing : outputs.messages) {
    const auto link = state.links.find(outgoing.to);
    if (link != state.links.end())
      self->send(link->second, SendParcel{{id_of(state), ReplicationParcel{encode(outgoing.message)}}});
  }
  if (outputs.proposal) state.options->propose(id_of(state), std::move(*outputs.proposal));
  for (const auto& event : outputs.events) std::visit(Carry{self}, event);
  if (state.reopen_wanted) throw_away(self);
}

// Runs `input` on the replica. A broken invariant ends it, not the process.
template <class Input>
void run(Self self, Input&& input) {
  auto& state = self->state;
  if (!state.replica) return;
  try {
    input(*state.replica);
    perform(self);
  } catch (const std::exception& broken) {
    spdlog::critical("partition {}: its replica met a bug and is loaded anew from disk: {}", id_of(state).value,
                     broken.what());
    throw_away(self);
  }
}

// --- Inputs.

void written(Self self, const Error* failed) {
  auto& state = self->state;
  const auto number = state.writes.front();
  state.writes.pop_front();
  if (number == 0) {
    if (state.reopen_wanted) open(self);
    return;
  }
  run(self, [&](auto& replica) {
    if (failed == nullptr)
      replica.written(number, instant_now());
    else if (!replica.failed())
      replica.write_failed(*failed, instant_now());
  });
}

void complain(Self self, const std::string& what) {
  constexpr std::size_t kComplaintsMax = 100;  // What others say is part of some, and they may say anything.
  auto& complaints = self->state.complaints;
  if (complaints.size() < kComplaintsMax && complaints.insert(what).second)
    spdlog::warn("partition {}: {}", id_of(self->state).value, what);
}

void replication_arrived(Self self, const ReplicationArrived& arrived) {
  auto message = cluster::decode_peer_message(arrived.bytes);
  if (!message)
    return complain(self, "node " + arrived.from + " says what no replica says: " + message.error().message);
  if (message->from.node != arrived.from)
    return complain(self, "node " + arrived.from + " speaks in the name of " + message->from.node);
  run(self, [&](auto& replica) {
    if (auto taken = replica.received(std::move(*message), instant_now()); !taken)
      complain(self, "node " + arrived.from + ": " + taken.error().message);
  });
}

void record_changed(Self self, const RecordChanged& news) {
  auto& state = self->state;
  state.record = news;
  const auto epoch = state.replica ? state.replica->epoch() : 0;
  run(self, [&](auto& replica) { replica.record_changed(news.record, news.revision, instant_now()); });
  if (state.replica && state.replica->epoch() != epoch) tell_serving(self);
}

// Once, soon after there must be none: a backup should not be found of no use by a fail-over. Each takes some time, so one after the other.
void look_for_holes(Self self) {
  constexpr std::size_t kTicksApart = 10;
  auto& state = self->state;
  if (!state.replica || state.replica->role() == cluster::Role::kStranger) return;
  if (++state.ticks <= kTicksApart * id_of(state).value) return;
  if (!state.replica->has_whole_records() || std::exchange(state.looked_for_holes, true)) return;
  const auto sound = runtime::last_witness(*state.options->partition.store, id_of(state));
  if (sound || state.replica->failed()) return;
  run(self, [&](auto& replica) { replica.write_failed(sound.error(), instant_now()); });
}

// What is not wanted here goes, also what was left when the node stopped in the middle of that.
void discard_if_stranger(Self self) {
  auto& state = self->state;
  const auto& known = state.replica;
  if (!known || known->role() != cluster::Role::kStranger) return static_cast<void>(state.discarded = false);
  if (known->log_end() == 0 && (state.discarded || !known->is_worthless())) return;
  run(self, [](auto& replica) { replica.discard(instant_now()); });
}

ReplicaStats stats(const ReplicaState& state) {
  ReplicaStats stats;
  stats.partition = id_of(state);
  stats.counters = state.counted_before;
  if (!state.replica) return stats;
  stats.role = state.replica->role();
  stats.epoch = state.replica->epoch();
  stats.keeps_missing_entries = state.replica->keeps_missing_entries();
  stats.worthless = state.replica->is_worthless();
  stats.log_end = stats.worthless ? 0 : state.replica->log_end();
  stats.commit = state.replica->commit_index();
  stats.applied = stats.worthless ? 0 : state.replica->applied_index();
  stats.ready = state.replica->is_ready();
  stats.unreadable = state.unreadable;
  stats.under_replicated = state.replica->is_under_replicated();
  stats.backups = state.replica->backups();
  stats.counters.add(state.replica->counters());
  return stats;
}

}  // namespace

caf::behavior replica(Self self, ReplicaOptions options) {
  self->state.options.emplace(std::move(options));
  self->state.serving.partition = id_of(self->state);
  self->set_default_handler(caf::skip);
  return {[=](const Peers& peers) {
    self->state.routes = peers.partitions;
    self->set_default_handler(caf::print_and_drop);
    self->become(caf::behavior{
        [=](Commit& commit) {
          auto& state = self->state;
          if (commit.reply_to != state.partition || !state.replica || !state.replica->is_ready()) return;
          run(self, [&](auto& replica) { replica.append(std::move(commit.writes), instant_now()); });
        },
        [=](Committed) { written(self, nullptr); },
        [=](const CommitFailed& failed) { written(self, &failed.error); },
        [=](const ReplicationArrived& arrived) { replication_arrived(self, arrived); },
        [=](const RecordChanged& news) { record_changed(self, news); },
        [=](const ProposalAnswered& answered) {
          run(self, [&](auto& replica) {
            replica.proposal_answered(answered.number, answered.outcome, answered.revision, instant_now());
          });
        },
        [=](const PeerKnown& peer) {
          self->state.links[peer.node] = peer.link;
          self->send(peer.link, self->state.serving);
        },
        [=](const LinkUp& news) {
          self->state.up[news.node] = true;
          run(self, [&](auto& replica) { replica.link_up(news.node, instant_now()); });
        },
        [=](const LinkLost& news) {
          self->state.up[news.node] = false;
          run(self, [&](auto& replica) { replica.link_lost(news.node, instant_now()); });
        },
        [=](const PartitionLife& life) {
          if (!is_above(self->state, life.spawned)) return;
          self->state.serving.life = life.life;
          tell_serving(self);
        },
        [=](const PartitionUnreadable& unreadable) {
          // As a disk that fails: others have sound copies, and one of them takes over.
          if (!is_above(self->state, unreadable.spawned)) return;
          run(self, [&](auto& replica) { replica.write_failed(unreadable.error, instant_now()); });
        },
        [=](LookAgainDue) { look_again(self); },
        [=](const HandOver& order) {
          run(self, [&](auto& replica) {
            if (auto begun = replica.hand_over(order.to, instant_now()); !begun)
              spdlog::debug("partition {}: no hand-over: {}", id_of(self->state).value, begun.error().message);
          });
        },
        [=](TickDue) {
          run(self, [](auto& replica) { replica.tick(instant_now()); });
          look_for_holes(self);
          discard_if_stranger(self);
        },
        [=](const AskReplica& ask) { ask.answer(stats(self->state)); },
        [=](Stop) {
          end_serving(self);
          self->quit();
        },
    });
    open(self);
  }};
}

}  // namespace carillon::actors
