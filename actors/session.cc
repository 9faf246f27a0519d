#include "actors/session.h"

#include <algorithm>

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<SessionState>*;

// What an event costs beside its text.
constexpr std::size_t kEventBytes = 64;

// What the partition had no room to read is asked for again.
constexpr std::chrono::milliseconds kReadAgainAfter{50};

std::size_t bytes_of(const runtime::EventSlice& events) {
  std::size_t bytes = 0;
  for (const auto* event : events.events)
    bytes += kEventBytes + event->payload.size() + event->type.size() + event->producer.stored().size();
  return bytes;
}

bool has_room(const SessionState& state) { return state.bytes_under_way < state.options->credit_bytes; }

caf::actor partition_of(const SessionState& state, const EntityId& entity) {
  const auto& partitions = *state.options->partitions;
  return partitions[entity.partition_of(static_cast<std::uint16_t>(partitions.size())).value];
}

void add(SessionState& state, SessionBatch& batch, std::uint32_t follow, runtime::EventSlice events) {
  const auto bytes = bytes_of(events);
  batch.bytes += bytes;
  state.bytes_under_way += bytes;
  batch.deliveries.push_back({follow, std::move(events)});
}

SessionState::Follow* find(SessionState& state, std::uint32_t number) {
  const auto found = state.follows.find(number);
  return found == state.follows.end() ? nullptr : &found->second;
}

void ask_to_follow(Self self, std::uint32_t number, const EntityId& entity) {
  self->send(partition_of(self->state, entity), FollowEntity{{self->state.options->id, number}, entity});
}

// The partition forgets it as well.
void drop(Self self, std::uint32_t number) {
  auto& state = self->state;
  const auto found = state.follows.find(number);
  if (found == state.follows.end()) return;
  auto& entity = found->second.entity;
  const auto partition = partition_of(state, entity);
  self->send(partition, UnfollowEntity{{state.options->id, number}, std::move(entity)});
  state.follows.erase(found);
}

void queue_if_lagging(SessionState& state, std::uint32_t number, SessionState::Follow& follow) {
  if (follow.queued || !follow.subscription || !follow.subscription->wants_page()) return;
  follow.queued = true;
  state.lagging.push_back(number);
}

void read_some(Self self) {
  auto& state = self->state;
  while (has_room(state) && state.reads < state.options->reads_max && !state.lagging.empty()) {
    const auto number = state.lagging.front();
    state.lagging.pop_front();
    auto* const follow = find(state, number);
    if (follow == nullptr) continue;
    follow->queued = false;
    if (!follow->subscription->wants_page()) continue;
    follow->subscription->page_wanted();
    ++state.reads;
    const auto me = caf::actor_cast<caf::actor>(self);
    const auto partition = follow->entity.partition_of(static_cast<std::uint16_t>(state.options->partitions->size()));
    self->send(state.options->reading_turns, WantTurn{partition, [me, number](ReadingTurn turn) {
                                                        caf::anon_send(me, TurnGranted{number, std::move(turn)});
                                                      }});
  }
}

void read_page(Self self, const TurnGranted& granted) {
  auto& state = self->state;
  auto* const follow = find(state, granted.follow);
  if (follow == nullptr) {  // Ended meanwhile.
    --state.reads;
    return read_some(self);
  }
  const auto me = caf::actor_cast<caf::actor>(self);
  self->send(partition_of(state, follow->entity),
             ReadPage{follow->entity, follow->subscription->next(), state.options->page,
                      [me, number = granted.follow, turn = granted.turn](auto run) {
                        caf::anon_send(me, PageRead{number, std::move(run), turn});
                      }});
}

void begin(Self self, BeginFollows& request) {
  for (auto& [number, entity, start] : request.follows) {
    ask_to_follow(self, number, entity);
    self->state.follows.try_emplace(number, SessionState::Follow{std::move(entity), start, std::nullopt, false});
  }
}

Result<Offset> first_wanted(const FollowStart& start, const runtime::Extent& extent) {
  using Kind = FollowStart::Kind;
  if (start.kind == Kind::kEnd) return extent.last + 1;
  if (start.kind == Kind::kAtOrKept) return std::min(std::max(start.offset, extent.first), extent.last + 1);
  if (start.offset > extent.last + 1)
    return Error{ErrorCode::BEYOND_END,
                 "the mailbox ends at " + std::to_string(extent.last) + "; begin at most one past its end",
                 extent.last + 1};
  if (start.offset < extent.first)
    return Error{ErrorCode::TRUNCATED,
                 "retention has kept nothing before " + std::to_string(extent.first) + "; begin there", extent.first};
  return start.offset;
}

void following(Self self, const Following& answer) {
  auto& state = self->state;
  auto* const follow = find(state, answer.follow);
  if (follow == nullptr) return;  // Ended meanwhile.
  if (follow->subscription) {     // Asked again after a reload.
    if (!answer.extent) {         // It is not followed any more, so the client must not wait for it.
      state.options->ended(answer.follow, answer.extent.error());
      return drop(self, answer.follow);
    }
    follow->subscription->reaches(answer.extent->last);
  } else {
    const auto first =
        answer.extent ? first_wanted(follow->start, *answer.extent) : Result<Offset>(answer.extent.error());
    if (!first) {
      state.options->begun(answer.follow, first.error());
      return drop(self, answer.follow);
    }
    follow->subscription.emplace(*first, answer.extent->last);
    state.options->begun(answer.follow, FollowBegun{*first, answer.extent->last});
  }
  queue_if_lagging(state, answer.follow, *follow);
  read_some(self);
}

void notifications_committed(Self self, NotificationsCommitted& news) {
  auto& state = self->state;
  SessionBatch batch;
  batch.committed = news.committed;
  for (auto& delivery : news.deliveries) {
    auto* const follow = find(state, delivery.follow);
    if (follow == nullptr || !follow->subscription) continue;
    if (auto fresh = follow->subscription->committed(delivery.events, has_room(state)))
      add(state, batch, delivery.follow, std::move(*fresh));
    else
      queue_if_lagging(state, delivery.follow, *follow);
  }
  if (!batch.deliveries.empty()) state.options->deliver(std::move(batch));
  read_some(self);
}

void page_read(Self self, PageRead& page) {
  auto& state = self->state;
  auto* const follow = find(state, page.follow);
  if (follow != nullptr && !page.run && page.run.error().code == ErrorCode::OVERLOADED)
    return self->delayed_send(self, kReadAgainAfter,
                              PageRead{page.follow, EventRun{follow->subscription->next(), {}}, nullptr});
  --state.reads;
  if (follow == nullptr) return read_some(self);  // Ended meanwhile.
  if (!page.run) {
    state.options->ended(page.follow, page.run.error());
    drop(self, page.follow);
  } else {
    auto run = std::move(*page.run);
    follow->subscription->page_read(run);
    if (!run.events.empty()) {
      SessionBatch batch;
      add(state, batch, page.follow, runtime::slice_of(std::move(run)));
      batch.turn = std::move(page.turn);
      state.options->deliver(std::move(batch));
    }
    queue_if_lagging(state, page.follow, *follow);
  }
  read_some(self);
}

}  // namespace

caf::behavior session(Self self, SessionOptions options) {
  self->state.options.emplace(std::move(options));
  return {
      [=](BeginFollows& request) { begin(self, request); },
      [=](const EndFollow& order) { drop(self, order.number); },
      [=](const Following& answer) { following(self, answer); },
      [=](NotificationsCommitted& news) { notifications_committed(self, news); },
      [=](const PartitionReloaded& reloaded) {
        const auto partitions = static_cast<std::uint16_t>(self->state.options->partitions->size());
        for (const auto& [number, follow] : self->state.follows)
          if (follow.entity.partition_of(partitions) == reloaded.partition) ask_to_follow(self, number, follow.entity);
      },
      [=](const TurnGranted& granted) { read_page(self, granted); },
      [=](PageRead& page) { page_read(self, page); },
      [=](const Taken& taken) {
        self->state.bytes_under_way -= taken.bytes;
        read_some(self);
      },
      [=](const SessionClosed& closed) {
        for (const auto& partition : *self->state.options->partitions) self->send(partition, closed);
        self->quit();
      },
  };
}

}  // namespace carillon::actors
