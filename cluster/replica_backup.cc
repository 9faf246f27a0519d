// A backup: takes entries, reconciles its log, receives copies, gives leases.
#include <algorithm>
#include <utility>

#include "cluster/mutation.h"
#include "cluster/replica_state.h"

namespace carillon::cluster {

// --- Entries.

// Whatever the primary of this epoch says, it lives.
void Replica::State::heard_primary() {
  heard_ = now;
  is_heard_ = true;
  if (!is_to_take_over()) suspected_.reset();
}

// Its epoch is over. If it is the primary of this one as well, it has not heard what became of its own swap, and is told.
void Replica::State::refuse(const ReplicaId& from) {
  if (is_own_record() && record->primary == from)
    send(from.node, Nomination{*record, revision_});
  else
    send(from.node, Refusal{});
}

// Whom the record names may not know of it: etcd's answer is lost, its news come later, or not before an outage is over.
// Meanwhile nobody serves. So whoever knows tells the primary, until that one is heard.
void Replica::State::tell_primary() {
  if (!is_own_record() || is_self(record->primary) || is_heard_ || now < tell_at_) return;
  if (link(record->primary.node) == Link::kLost) return;
  // No primary speaks to a stranger, which would not know when to end.
  tell_at_ = role() == Role::kStranger ? Instant::max() : now + options.timeouts.repeat_after;
  send(record->primary.node, Nomination{*record, revision_});
}

Result<void> Replica::State::take_in(const ReplicaId& from, Append append) {
  if (failed) {
    if (!mutated(Mutation::kFailedDiskAcknowledges)) {
      send(from.node, DiskFailure{});
      return {};
    }
  }
  primary_is_stuck_ = append.stuck;
  if (append.sent_at == kNoLease) {
    lease_from_ = kNoLease;
    lease_until_ = now;
  } else if (is_to_take_over()) {
    lease_from_ = kNoLease;  // What was promised before still holds.
  } else {
    // A promise, so also to a primary whose entries do not fit yet.
    if (append.sent_at > lease_from_) lease_from_ = append.sent_at;
    lease_until_ = std::max(lease_until_, now + options.timeouts.read_lease);
  }
  if (install_ == Install::kWiping) return {};
  // While its own disk takes its time, the primary has no credit to send more.
  if (install_ == Install::kReceiving && chunk_writes_.empty() && now - chunk_at_ > 4 * options.timeouts.repeat_after) {
    // Something of the copy was lost on the way.
    chunk_at_ = now;
    send(from.node, AskEpochEnd{log.end_epoch(), log.end(), true, false});
    return {};
  }
  if (!reconciled_) {
    if (!asked_at_ || now >= *asked_at_ + options.timeouts.repeat_after) ask_epoch_end();
    return {};
  }
  if (append.previous_index > log.end() && !mutated(Mutation::kSkipPreviousCheck)) {
    if (again_at_ && now < *again_at_ + options.timeouts.repeat_after) return {};
    again_at_ = now;
    answer(true);
    return {};
  }
  const bool lenient =
      mutated(Mutation::kSkipPreviousCheck) || mutated(Mutation::kTruncateByIndex) || mutated(Mutation::kIgnoreEpoch);
  const auto previous = append.previous_index;
  if (!lenient && previous >= log.base() && log.epoch_at(previous) != append.previous_epoch) {
    reconciled_ = false;
    ask_epoch_end();
    return {};
  }
  // What is known already comes again after a link was broken.
  const auto known = std::min<std::uint64_t>(log.end() - std::min(previous, log.end()), append.entries.size());
  for (std::uint64_t i = 0; i < known && !lenient; ++i)
    if (previous + i + 1 >= log.base() && log.epoch_at(previous + i + 1) != append.entries[i].epoch)
      return Error{ErrorCode::MALFORMED, "a primary changes an entry that it has sent before"};
  std::vector<runtime::WriteSet> writes;
  auto last_epoch = log.end_epoch();
  for (auto i = known; i < append.entries.size(); ++i) {
    const auto& entry = append.entries[i];
    if (!lenient && (entry.epoch < last_epoch || entry.epoch > epoch))
      return Error{ErrorCode::MALFORMED, "a primary sends entries whose epochs are not in order"};
    last_epoch = entry.epoch;
    auto decoded = decode_writes(options.partition, *entry.bytes);
    if (!decoded) return decoded.error();
    writes.push_back(std::move(*decoded));
  }
  for (auto i = known; i < append.entries.size(); ++i) {
    auto& entry = append.entries[i];
    if (lenient) entry.epoch = std::max(entry.epoch, log.end_epoch());
    log.append(std::move(entry), std::move(writes[i - known]));
    ++counters.entries_appended;
  }
  again_at_.reset();
  commit = std::max(commit, std::min(append.commit, log.end()));
  // With entries the answer comes once they are on disk; until then what is there is said, for the lease.
  if (append.entries.size() == known || mutated(Mutation::kAcknowledgeBeforeSync)) answer(false);
  return {};
}

void Replica::State::answer(bool again) {
  if (!primary) return;
  const bool early =
      mutated(Mutation::kAcknowledgeBeforeSync) || (failed && mutated(Mutation::kFailedDiskAcknowledges));
  const auto durable = early ? log.end() : log.durable();
  // Whoever may already have been named primary promises nothing to the old one.
  const auto lease = nominates_itself() && !mutated(Mutation::kNominateDuringLease) ? kNoLease : lease_from_;
  send(primary->node, AppendAnswer{durable, log.end(), lease, again, !log.is_whole()});
  answered_ = durable;
}

// --- Reconciling.

void Replica::State::ask_epoch_end() {
  asked_at_ = now;
  const bool worthless = log.is_installing() && install_ == Install::kNone;
  send(primary->node,
       AskEpochEnd{log.end_epoch(), log.end(), worthless, log.keeps_missing_entries() && !gave_up_entries()});
}

Result<void> Replica::State::take_in(EpochEnd end) {
  if (failed || reconciled_ || install_ == Install::kWiping || (log.is_installing() && install_ == Install::kNone))
    return {};
  if (end.asked_epoch != log.end_epoch() || end.asked_index != log.end()) return {};  // Of an older question.
  if (end.epoch > end.asked_epoch) return Error{ErrorCode::MALFORMED, "a primary answers with a later epoch"};
  auto cut = log.end();
  bool agreed = true;
  if (mutated(Mutation::kTruncateByIndex)) {
    cut = std::min(log.end(), end.last_index);
  } else {
    // Up to where both have entries of the same epoch, they are the same entries (KIP-279).
    const auto own = log.end_of(end.epoch);
    if (!own) {
      entries_are_missing(end.last_index > end.end_index);
      return {};
    }
    agreed = own->epoch == end.epoch || own->end == 0;
    cut = agreed ? std::min(own->end, end.end_index) : own->end;
  }
  if (cut < log.applying()) {
    if (mutated(Mutation::kTruncateByIndex) || mutated(Mutation::kApplyBeforeCommit)) {
      cut = std::min(log.applying(), log.end());
    } else {
      entries_are_missing(end.last_index > end.end_index);
      return {};
    }
  }
  if (cut < log.end()) ++counters.truncations;
  log.truncate(cut);
  if (!agreed) {
    ask_epoch_end();
    return {};
  }
  reconciled_ = true;
  log.keep_missing_entries(false);
  asked_at_.reset();
  answer(false);
  return {};
}

// The primary has not got what is applied here, and what is committed cannot differ: its disk has gone back in time, as by a backup that was
// restored, or somebody has named an older copy. In the first case this replica takes over if it is in sync, so that it has all that is
// committed, and the primary has not gone on without those entries; else a person has to decide.
void Replica::State::entries_are_missing(bool primary_went_on) {
  if (!is_own_record())
    return;  // It says who is in sync; when it has come, the next message of the primary leads here again.
  if (record->is_in_sync(options.self) && !primary_went_on) {
    primary_lacks_entries_ = true;
    return;
  }
  const bool kept = !gave_up_entries();
  if (!kept || !log.keeps_missing_entries()) out_.events.push_back(EntriesMissing{log.applied(), kept});
  log.keep_missing_entries(kept);
  if (kept) return;
  become_worthless();
  ask_epoch_end();
}

// Somebody has named an older copy since its last entry was made.
bool Replica::State::gave_up_entries() const { return record && log.end_epoch() < record->recovered; }

// --- Copies.

// Nothing that is here is of any use; the next copy begins from nothing.
void Replica::State::become_worthless() {
  install_ = Install::kNone;
  chunk_writes_.clear();
  copy_ends_.reset();
  reconciled_ = false;
  log.begin_install(0, 0);
  commit = 0;
}

void Replica::State::take_in(const CopyBegin& begin) {
  if (failed || discarding_) return;
  // Who is in sync has what is committed; a copy would take it away.
  if (is_own_record() && record->is_in_sync(options.self)) return;
  if (install_ != Install::kNone && copy_ == begin.copy) return;
  // Also when the primary has long been beyond what is kept here.
  if (!log.is_installing() && !reconciled_ && (log.keeps_missing_entries() || begin.base_index < log.applying()))
    return entries_are_missing(true);
  ++counters.copies_begun;
  log.begin_install(begin.base_index, begin.base_epoch);
  commit = begin.base_index;
  reconciled_ = false;
  install_ = Install::kWiping;
  copy_ = begin.copy;
  chunks_ = chunks_written_ = 0;
  chunk_writes_.clear();
  copy_ends_.reset();
}

void Replica::State::pump_wipe() {
  if (!log.is_idle()) return;
  const auto more = log.wipe();
  if (!more) return fail(more.error());
  if (*more) return;
  if (discarding_) {
    discarding_ = false;
    install_ = Install::kNone;
    out_.events.push_back(Discarded{});
    return;
  }
  install_ = Install::kReceiving;
  chunk_at_ = now;
  reconciled_ = true;
  if (!primary) return;
  send(primary->node, CopyCredit{copy_, 0, options.limits.chunks_ahead});
}

Result<void> Replica::State::take_in(const CopyChunk& chunk) {
  if (failed || install_ != Install::kReceiving || chunk.copy != copy_ || chunk.number != chunks_ + 1) return {};
  if (chunk.number > chunks_written_ + options.limits.chunks_ahead)
    return Error{ErrorCode::MALFORMED, "a primary sends more of a copy than it has credit for"};
  const auto records = decode_writes(options.partition, chunk.records);
  if (!records) return records.error();
  if (records->empty() && !chunk.last) return Error{ErrorCode::MALFORMED, "a primary copies nothing"};
  ++chunks_;
  chunk_at_ = now;
  log.put_records(*records);
  if (chunk.last) {
    copy_ends_ = chunk.through;
    if (mutated(Mutation::kTrustUnsynced))
      end_copy();
    else
      log.settle();
  }
  chunk_writes_.push_back(log.next_write());
  return {};
}

// All chunks are on stable storage.
void Replica::State::end_copy() {
  log.end_install(*std::exchange(copy_ends_, std::nullopt));
  install_ = Install::kNone;
}

// --- What is due.

void Replica::State::pump_backup() {
  tell_primary();
  if (!primary || is_self(*primary) || !reconciled_ || failed) return;
  if (log.durable() > answered_) answer(false);
}

}  // namespace carillon::cluster
