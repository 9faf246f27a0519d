// The inside of a Replica. Its parts, one idea a file:
//
//   replica.cc              inputs, the epoch, and who this replica is in it
//   replica_backup.cc       a backup: takes entries, reconciles its log, receives copies, gives leases
//   replica_primary.cc      a primary: sends entries and copies, commits, holds leases
//   replica_decisions.cc    which compare-and-swap is due: additions, removals, nominations, hand-overs
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "cluster/backup.h"
#include "cluster/log.h"
#include "cluster/replica.h"

namespace carillon::cluster {

class Replica::State {
 public:
  State(Options options, const runtime::Storage& storage, Log log, Instant now);

  void record_changed(const std::optional<PartitionRecord>& record, Revision revision);
  void proposal_answered(std::uint64_t number, Swap outcome, Revision revision);
  void append(runtime::WriteSet writes);
  void written(std::uint64_t number);
  void write_failed(const Error& error);
  Result<void> received(PeerMessage message);
  void link_changed(const NodeName& node, bool up);
  Result<void> hand_over(const std::optional<ReplicaId>& to);
  void discard();
  void pump();  // Does whatever can be done now. After every input.
  ReplicaOutputs take();

  Role role() const;
  bool may_publish() const;
  Instant readable_until() const;
  std::vector<BackupStatus> backups() const;
  bool is_under_replicated() const;
  // It holds a copy that is not all there, or that lacks the entries which belong to it.
  bool is_worthless() const { return log.is_installing() || log.end() < log.whole_from(); }

  Instant now{};  // Of the input that is being handled.
  Options options;
  std::optional<PartitionRecord> record;
  Epoch epoch = 0;
  std::optional<ReplicaId> primary;
  std::optional<Error> failed;
  bool ready = false;
  Index commit = 0;
  Log log;
  Counters counters;

 private:
  enum class Link { kUnknown, kUp, kLost };

  // --- The epoch.
  bool is_self(const ReplicaId& id) const { return id == options.self; }
  bool is_own_record() const { return record && record->epoch == epoch; }
  bool is_in_sync(const ReplicaId& id) const;
  Link link(const NodeName& node) const;
  void enter_epoch(Epoch next, const std::optional<ReplicaId>& leader);
  void fail(const Error& error);
  template <class Body>
  void send(const NodeName& to, Body body);

  // --- A backup.
  Result<void> take_in(const ReplicaId& from, Append append);
  Result<void> take_in(EpochEnd end);
  void take_in(const CopyBegin& begin);
  Result<void> take_in(const CopyChunk& chunk);
  void end_copy();
  void heard_primary();
  void refuse(const ReplicaId& from);
  void tell_primary();
  void ask_epoch_end();
  void entries_are_missing(bool primary_went_on);
  bool gave_up_entries() const;
  bool is_to_take_over() const { return primary_is_stuck_ || primary_lacks_entries_; }
  void answer(bool again);
  void become_worthless();
  void pump_backup();
  void pump_wipe();

  // --- A primary.
  void lead();
  void stop_leading();
  bool may_speak() const;  // As the primary of this epoch.
  bool is_stuck() const;
  Backup* backup_of(const ReplicaId& from);
  void follow_record();
  Result<void> take_in(const ReplicaId& from, const AppendAnswer& answer);
  Result<void> take_in(const ReplicaId& from, const AskEpochEnd& ask);
  void take_in(const ReplicaId& from, const CopyCredit& credit);
  void append_now(runtime::WriteSet writes);
  Index acknowledged_by(const ReplicaId& id) const;
  template <class Visit>
  void for_each_waited_for(Visit&& visit) const;
  Index acknowledged_by_all() const;
  Index acknowledged_by_most() const;
  void advance_commit();
  void announce();
  void release_or_claim_reads();
  std::uint64_t lease_clock() const;
  void heartbeat(const NodeName& node, Backup& backup);
  void send_entries(const NodeName& node, Backup& backup);
  void begin_copy(const NodeName& node, Backup& backup);
  void send_copy(const NodeName& node, Backup& backup);
  void pump_primary();

  // --- Decisions.
  void decide();
  void propose(PartitionRecord next);
  bool is_nomination(const PartitionRecord& proposed) const;
  void count_outcomes(const PartitionRecord& changed);
  bool may_propose() const;
  bool nominates_itself() const;
  bool gives_itself_up() const;  // Perhaps already done.
  bool awaits_successor() const { return gives_itself_up() && (hand_over_ || failed || is_stalled_); }
  void look_at_disk();
  std::optional<PartitionRecord> replaced();
  std::optional<PartitionRecord> next_as_primary();
  std::optional<PartitionRecord> next_as_backup();
  std::optional<PartitionRecord> without_silent();
  std::optional<PartitionRecord> with_caught_up() const;
  std::optional<PartitionRecord> without_unwanted();
  std::optional<PartitionRecord> handed_over();
  std::optional<ReplicaId> successor(bool wanted_only) const;
  bool is_alive(const ReplicaId& id) const;
  void end_hand_over();

  const runtime::Storage* storage_;
  Revision revision_ = 0;
  std::map<NodeName, Link> links_;
  ReplicaOutputs out_;

  // --- A backup.
  bool reconciled_ = false;             // The log is a beginning of the primary's.
  std::optional<Instant> asked_at_;     // For the end of an epoch.
  std::optional<Instant> again_at_;     // Asked for what is missing.
  Instant heard_{};                     // From the primary of this epoch; at first, when it began.
  bool is_heard_ = false;               // The primary has said something in this epoch, so it knows of it.
  Instant tell_at_{};                   // When to tell it, until then.
  std::optional<Instant> suspected_;    // Since when the primary seems to be gone.
  bool primary_is_stuck_ = false;       // As it says.
  bool primary_lacks_entries_ = false;  // That are committed.
  Instant lease_until_{};               // Given: until then it does not nominate itself.
  std::uint64_t lease_from_ = 0;        // The highest clock of the primary that was heard.
  Index answered_ = 0;                  // What was last said to be durable.
  enum class Install { kNone, kWiping, kReceiving } install_ = Install::kNone;
  std::uint64_t copy_ = 0;    // Which is being received.
  Instant chunk_at_{};        // When the last one came, or credit for the first was given.
  std::uint64_t chunks_ = 0;  // Taken in.
  std::uint64_t chunks_written_ = 0;
  std::deque<std::uint64_t> chunk_writes_;  // The writes with those that are not written yet.
  std::optional<Index> copy_ends_;          // The last one has come: what it is a copy of, with all that has not ended.
  bool discarding_ = false;

  // --- A primary.
  bool leading_ = false;                  // Of this epoch, which it has begun.
  bool must_raise_ = false;               // It began this epoch before a crash, so it needs another.
  std::optional<Instant> wants_removal_;  // Since when of somebody silent, without an answer from etcd.
  bool released_ = false;                 // It has given its leases back, and reads nothing.
  Instant claims_after_{};                // A lease from before counts no more.
  Instant leads_from_{};  // Until then the one before may hold a lease that this replica gave, and read.
  Instant wish_after_{};  // A wish for another primary is not heard sooner.
  Instant wish_pause_{};  // The next pause before one, when this one comes to nothing: players wait each time.
  Index inherited_ = 0;   // The end of the log when it began to lead.
  std::map<NodeName, Backup> backups_;
  std::deque<Index> appended_;           // And not answered.
  std::vector<runtime::WriteSet> held_;  // Given during a hand-over.
  std::uint64_t copies_ = 0;

  // --- Decisions.
  struct HandOver {
    std::optional<ReplicaId> to;
    Instant until{};
  };
  std::optional<HandOver> hand_over_;
  std::vector<PartitionRecord> unresolved_;  // Proposed on this revision; perhaps done.
  std::uint64_t proposals_ = 0;
  enum class Asked { kNothing, kWaiting, kUnknown, kLost } asked_ = Asked::kNothing;
  Instant asked_again_at_{};
  std::uint64_t answered_seen_ = 0;
  Instant answered_at_{};    // When the disk had done that write, or nothing was asked of it.
  Instant looked_at_{};      // At the disk.
  bool is_stalled_ = false;  // The disk, of a primary.
};

template <class Body>
void Replica::State::send(const NodeName& to, Body body) {
  out_.messages.push_back({to, {options.partition, options.self, epoch, std::move(body)}});
}

}  // namespace carillon::cluster
