#include "actors/session.h"

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

void queue_if_lagging(SessionState& state, std::uint32_t index) {
  auto& follow = state.follows[index];
  if (follow.queued || !follow.subscription || !follow.subscription->wants_page()) return;
  follow.queued = true;
  state.lagging.push_back(index);
}

void read_some(Self self) {
  auto& state = self->state;
  while (has_room(state) && state.reads < state.options->reads_max && !state.lagging.empty()) {
    const auto index = state.lagging.front();
    state.lagging.pop_front();
    auto& follow = state.follows[index];
    follow.queued = false;
    if (!follow.subscription || !follow.subscription->wants_page()) continue;
    follow.subscription->page_wanted();
    ++state.reads;
    const auto me = caf::actor_cast<caf::actor>(self);
    self->send(partition_of(state, follow.entity),
               ReadPage{follow.entity, follow.subscription->next(), state.options->page, [me, index](auto run) {
                          caf::anon_send(me, PageRead{index, std::move(run)});
                        }});
  }
}

void follow_all(Self self, FollowAll& request) {
  auto& state = self->state;
  state.unanswered = request.follows.size();
  for (auto& [entity, from] : request.follows) {
    const auto index = static_cast<std::uint32_t>(state.follows.size());
    self->send(partition_of(state, entity), FollowEntity{{state.options->id, index}, entity});
    state.follows.push_back({std::move(entity), from, false, std::nullopt, false});
  }
  if (state.unanswered == 0) state.options->following({});
}

Result<void> check_start(Offset from, const runtime::Extent& extent) {
  if (from > extent.last + 1)
    return Error{ErrorCode::BEYOND_END,
                 "the mailbox ends at " + std::to_string(extent.last) + "; begin at most one past its end",
                 extent.last + 1};
  if (from < extent.first)
    return Error{ErrorCode::TRUNCATED,
                 "retention has kept nothing before " + std::to_string(extent.first) + "; begin there", extent.first};
  return {};
}

void following(Self self, const Following& answer) {
  auto& state = self->state;
  auto& follow = state.follows.at(answer.follow);
  if (std::exchange(follow.answered, true)) {  // Asked again after a reload.
    if (!follow.subscription) return;
    if (!answer.extent) {  // It is not followed any more, so the client must not wait for it.
      follow.subscription.reset();
      state.options->ended(answer.follow, answer.extent.error());
      return;
    }
    follow.subscription->reaches(answer.extent->last);
    queue_if_lagging(state, answer.follow);
    return read_some(self);
  }
  if (!answer.extent) {
    state.refusals.push_back({answer.follow, answer.extent.error()});
  } else if (auto checked = check_start(follow.from, *answer.extent); !checked) {
    state.refusals.push_back({answer.follow, checked.error()});
  } else {
    follow.subscription.emplace(follow.from, answer.extent->last);
    queue_if_lagging(state, answer.follow);
  }
  if (--state.unanswered == 0) {
    state.options->following(std::exchange(state.refusals, {}));
    read_some(self);
  }
}

void notifications_committed(Self self, NotificationsCommitted& news) {
  auto& state = self->state;
  SessionBatch batch;
  batch.committed = news.committed;
  for (auto& delivery : news.deliveries) {
    auto& follow = state.follows[delivery.follow];
    if (!follow.subscription) continue;
    if (auto fresh = follow.subscription->committed(delivery.events, has_room(state) && state.unanswered == 0))
      add(state, batch, delivery.follow, std::move(*fresh));
    else
      queue_if_lagging(state, delivery.follow);
  }
  if (!batch.deliveries.empty()) state.options->deliver(std::move(batch));
  read_some(self);
}

void page_read(Self self, PageRead& page) {
  auto& state = self->state;
  auto& follow = state.follows[page.follow];
  if (follow.subscription && !page.run && page.run.error().code == ErrorCode::OVERLOADED)
    return self->delayed_send(self, kReadAgainAfter, PageRead{page.follow, EventRun{follow.subscription->next(), {}}});
  --state.reads;
  if (!follow.subscription) return read_some(self);  // Ended meanwhile.
  if (!page.run) {
    follow.subscription.reset();
    state.options->ended(page.follow, page.run.error());
  } else {
    auto run = std::move(*page.run);
    follow.subscription->page_read(run);
    if (!run.events.empty()) {
      SessionBatch batch;
      add(state, batch, page.follow, runtime::slice_of(std::move(run)));
      state.options->deliver(std::move(batch));
    }
    queue_if_lagging(state, page.follow);
  }
  read_some(self);
}

}  // namespace

caf::behavior session(Self self, SessionOptions options) {
  self->state.options.emplace(std::move(options));
  return {
      [=](FollowAll& request) { follow_all(self, request); },
      [=](const Following& answer) { following(self, answer); },
      [=](NotificationsCommitted& news) { notifications_committed(self, news); },
      [=](const PartitionReloaded& reloaded) {
        auto& state = self->state;
        const auto partitions = static_cast<std::uint16_t>(state.options->partitions->size());
        for (std::uint32_t i = 0; i < state.follows.size(); ++i)
          if ((state.follows[i].subscription || !state.follows[i].answered) &&
              state.follows[i].entity.partition_of(partitions) == reloaded.partition)
            self->send(partition_of(state, state.follows[i].entity),
                       FollowEntity{{state.options->id, i}, state.follows[i].entity});
      },
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
