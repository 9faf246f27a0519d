// What a primary knows about one of its backups: how far its log goes, whether it lives, and what is on its way to it.
//
// Of one epoch: with a new one the backup has to show again that its log is a beginning of the primary's.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "cluster/partition_record.h"
#include "cluster/record_copy.h"
#include "cluster/replica.h"

namespace carillon::cluster {

struct Backup {
  // Records on their way to it.
  struct Copy {
    std::uint64_t number = 0;  // Tells it from others of this primary.
    Index base = 0;
    RecordCopy records;
    std::uint64_t sent = 0;
    std::uint64_t written = 0;
    std::uint64_t credit = 0;  // 0 until the backup is ready for it; entries wait as well.
    Instant begun{};
  };

  std::optional<ReplicaId> id;  // As it said itself; nothing before its first message.
  Instant heard{};              // When it last said something; at first, when it began to be awaited.
  bool is_met = false;          // It has said something on this link. Else its node may have another disk by now.
  Instant lease_until{};        // Until then it does not nominate itself.
  bool disk_failed = false;
  bool useless = false;                // In sync by the record, but its log says otherwise.
  bool installing = false;             // As it said last.
  bool keeps_missing_entries = false;  // As it said last: it has what is not here, and takes no copy.
  Instant not_before{};                // It was removed for a reason that may not be over: not added again sooner.

  bool streaming = false;  // Its log is a beginning of ours; entries are sent from `next` on.
  Index next = 1;
  Index acknowledged = 0;                                // On its stable storage, in this epoch.
  std::deque<std::pair<Index, std::size_t>> unanswered;  // Sent, with their sizes.
  std::size_t unanswered_bytes = 0;
  Instant progressed{};  // When an entry was last acknowledged, or began to be awaited.
  Instant heartbeat_due{};
  std::optional<Copy> copy;
  Instant no_copy_before{};  // What a copy is made of could not be read.

  // Begin again behind `received`.
  void stream_from(Index received) {
    streaming = true;
    next = received + 1;
    unanswered.clear();
    unanswered_bytes = 0;
  }
  void stop_streaming() {
    streaming = false;
    unanswered.clear();
    unanswered_bytes = 0;
  }
  void sent(Index index, std::size_t bytes) {
    unanswered.emplace_back(index, bytes);
    unanswered_bytes += bytes;
    next = index + 1;
  }
  void acknowledge(Index durable, Instant now) {
    if (durable <= acknowledged) return;
    acknowledged = durable;
    progressed = now;
    while (!unanswered.empty() && unanswered.front().first <= durable) {
      unanswered_bytes -= unanswered.front().second;
      unanswered.pop_front();
    }
  }
  void begin_epoch(Instant now) {
    stop_streaming();
    progressed = now;
    acknowledged = 0;
    keeps_missing_entries = false;
    heartbeat_due = {};
  }
};

}  // namespace carillon::cluster
