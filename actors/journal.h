// The journal: writes what the partitions of one store want durable, one synced batch at a time (group commit).
//
// Detached: it blocks on the disk. Batches reach the disk in the order in which the partitions sent them, whole or not
// at all; `fold_before_commit` relies on that order. After a failure every further commit fails (see Store).
#pragma once

#include <caf/all.hpp>

#include <chrono>
#include <optional>
#include <vector>

#include "actors/messages.h"
#include "runtime/store.h"

namespace carillon::actors {

struct JournalOptions {
  // How long the first commit of a batch waits for company. What an event causes on other partitions arrives within
  // this time on an idle node, and then shares the event's sync (as commit_delay of PostgreSQL).
  std::chrono::microseconds gather{30};
};

struct JournalStats {
  std::uint64_t syncs = 0;
  std::uint64_t bytes = 0;
  bool read_only = false;
  std::optional<runtime::Store::Room> room;  // As of some seconds ago.
  LatencyHistogram write;                    // One LevelDB write with its sync.
};
struct AskJournal {
  std::function<void(JournalStats)> answer;
};

struct RoomSeen {
  std::optional<runtime::Store::Room> room;
};

struct JournalState {
  std::shared_ptr<runtime::Store> store;
  JournalOptions options;
  std::vector<Commit> waiting;
  bool gathering = false;
  bool preferred = false;
  std::size_t unpaced_bytes = 0;
  JournalStats stats;
  bool looks_at_room = false;
  Clock::time_point room_seen_at;
};

caf::behavior journal(caf::stateful_actor<JournalState>* self, std::shared_ptr<runtime::Store> store,
                      JournalOptions options);

}  // namespace carillon::actors

CARILLON_LOCAL_MESSAGE(AskJournal)
CARILLON_LOCAL_MESSAGE(RoomSeen)
