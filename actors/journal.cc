#include "actors/journal.h"

#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include "actors/time_slice.h"
#include "runtime/journal_order.h"
#include "runtime/pace.h"

namespace carillon::actors {
namespace {

using Self = caf::stateful_actor<JournalState>*;

constexpr std::chrono::seconds kRoomLookEvery{5};
constexpr std::size_t kPaceBytes = 64 * 1024;  // So much is written between two looks at what waits for compaction.

void gather(Self self, Commit& commit) {
  auto& state = self->state;
  state.waiting.push_back(std::move(commit));
  if (state.gathering) return;
  state.gathering = true;
  const auto until = Clock::now() + (state.waiting.back().sync ? state.options.gather : Clock::duration::zero());
  while (Clock::now() < until) std::this_thread::yield();
  // Behind everything that arrived meanwhile.
  self->send(self, GatherDue{});
}

void pace(Self self, std::size_t bytes) {
  auto& state = self->state;
  state.unpaced_bytes += bytes;
  if (state.unpaced_bytes < kPaceBytes) return;
  const auto pause = runtime::pause_after(std::exchange(state.unpaced_bytes, 0), state.store->uncompacted_files());
  if (pause.count() == 0) return;
  state.gathering = true;
  self->delayed_send(self, pause, GatherDue{});
}

// Returns how many bytes.
std::size_t write(Self self, std::span<Commit> commits, bool sync) {
  if (commits.empty()) return 0;
  auto& state = self->state;
  runtime::WriteSet writes;
  for (auto& commit : commits) writes.append(std::move(commit.writes));

  const auto begin = Clock::now();
  const auto written = state.store->write(writes, sync);
  if (sync) {
    state.stats.write.add(Clock::now() - begin);
    ++state.stats.syncs;
  }
  state.stats.bytes += writes.bytes();
  state.stats.read_only = state.store->read_only();

  for (const auto& commit : commits) {
    if (written)
      self->send(commit.reply_to, Committed{});
    else
      self->send(commit.reply_to, CommitFailed{written.error()});
  }
  return writes.bytes();
}

void write_what_waits(Self self) {
  auto& state = self->state;
  state.gathering = false;
  if (state.waiting.empty()) return;
  auto batch = std::exchange(state.waiting, {});
  if (!std::exchange(state.preferred, true)) ask_for_short_time_slices();  // The thread is this actor's own.
  const auto unsynced = runtime::put_unsynced_first(
      batch, [](const Commit& commit) { return commit.partition; }, [](const Commit& commit) { return commit.sync; });
  const std::span all(batch);
  const auto bytes = write(self, all.first(unsynced), false) + write(self, all.subspan(unsynced), true);
  pace(self, bytes);
}

void note(Self self, const RoomSeen& seen) {
  self->state.stats.room = seen.room;
  self->state.room_seen_at = Clock::now();
  self->state.looks_at_room = false;
}

// For the next one who asks. Another thread looks: no commit is to wait for that.
void look_at_room(Self self) {
  auto& state = self->state;
  if (Clock::now() < state.room_seen_at + kRoomLookEvery || std::exchange(state.looks_at_room, true)) return;
  try {
    self->spawn<caf::detached>([store = state.store, journal = caf::actor_cast<caf::actor>(self)](
                                   caf::event_based_actor*) { caf::anon_send(journal, RoomSeen{store->room()}); });
  } catch (const std::system_error&) {
    state.looks_at_room = false;  // There is no thread for it now.
  }
}

}  // namespace

caf::behavior journal(Self self, std::shared_ptr<runtime::Store> store, JournalOptions options) {
  self->state.store = std::move(store);
  self->state.options = options;
  note(self, {self->state.store->room()});
  return {
      [=](Commit& commit) { gather(self, commit); },
      [=](GatherDue) { write_what_waits(self); },
      [=](const AskJournal& ask) {
        ask.answer(self->state.stats);
        look_at_room(self);
      },
      [=](const RoomSeen& seen) { note(self, seen); },
  };
}

}  // namespace carillon::actors
