// A primary: sends entries and copies, commits, holds leases.
#include <algorithm>
#include <utility>

#include "cluster/mutation.h"
#include "cluster/replica_state.h"

namespace carillon::cluster {
namespace {

// A process that leads begins with a new epoch: so numbers of copies made from it never come again.
constexpr int kCopyBits = 20;

constexpr std::chrono::seconds kPatience{1};  // Who has just become primary is not wished elsewhere at once.

template <class Time>
std::uint64_t clock_of(Time time) {
  return static_cast<std::uint64_t>(time.count());
}

}  // namespace

// --- Leading.

// The record names this replica. It goes on if it led already, with all that was appended.
void Replica::State::lead() {
  if (is_worthless() || failed) return;  // No replica names it; whoever else is in sync takes over.
  if (log.begun() >= epoch && !mutated(Mutation::kBeginTwice)) {
    // Before a crash it may have sent entries of this epoch that are not on its own disk.
    must_raise_ = true;
    return;
  }
  if (!leading_) {
    leading_ = true;
    log.keep_missing_entries(false);
    leads_from_ = mutated(Mutation::kNominateDuringLease) ? now : lease_until_;
    wish_after_ = now + kPatience;
    inherited_ = log.end();
    if (mutated(Mutation::kCommitInherited)) commit = log.end();
  }
  if (log.begun() < epoch) log.begin_epoch(epoch);
  for (auto& [node, backup] : backups_) backup.begin_epoch(now);
  follow_record();
}

void Replica::State::stop_leading() {
  if (ready) out_.events.push_back(PrimaryLost{});
  ready = leading_ = must_raise_ = released_ = false;
  backups_.clear();
  appended_.clear();
  held_.clear();
  hand_over_.reset();
}

// After a crash it must know that it spoke in this epoch: what it said may rest on entries that its disk has not got. Also
// when that disk has failed: then it never speaks in the epoch, and is replaced as a silent one.
bool Replica::State::may_speak() const { return log.is_begun_durable() || mutated(Mutation::kSendBeforeBegin); }

// Whom there is to talk to.
void Replica::State::follow_record() {
  std::set<NodeName> nodes(record->replicas.begin(), record->replicas.end());
  for (const auto& member : record->in_sync) nodes.insert(member.node);
  nodes.erase(options.self.node);
  std::erase_if(backups_, [&](const auto& backup) { return !nodes.contains(backup.first); });
  for (const auto& node : nodes)
    if (auto [backup, is_new] = backups_.try_emplace(node); is_new)
      backup->second.heard = backup->second.progressed = now;
}

// The backup that says something; another disk than before begins from nothing.
Backup* Replica::State::backup_of(const ReplicaId& from) {
  const auto found = backups_.find(from.node);
  if (found == backups_.end()) return nullptr;
  auto& backup = found->second;
  if (backup.id != from) {
    const auto due = backup.heartbeat_due;
    backup = {};
    backup.id = from;
    backup.heartbeat_due = due;
    backup.progressed = now;
  }
  backup.heard = now;
  backup.is_met = true;
  return &backup;
}

// --- What backups say.

Result<void> Replica::State::take_in(const ReplicaId& from, const AppendAnswer& answer) {
  auto* backup = backup_of(from);
  if (backup == nullptr) return {};
  if (answer.received > log.end() || answer.durable > answer.received) {
    if (mutated(Mutation::kIgnoreEpoch)) return {};
    return Error{ErrorCode::MALFORMED, "a backup acknowledges entries that there are not"};
  }
  // It cannot have heard a clock that is still to come.
  if (!released_ && answer.lease_from <= lease_clock()) {
    const auto heard = Instant(static_cast<Instant::rep>(answer.lease_from));
    const auto lease = heard + options.timeouts.read_lease - options.timeouts.lease_margin;
    if (heard > claims_after_ || mutated(Mutation::kReadOnReleasedLease))
      backup->lease_until = std::max<Instant>(backup->lease_until, lease);
  }
  backup->disk_failed = false;  // It has started again.
  backup->installing = answer.installing;
  if (backup->copy && !answer.installing) {
    if (backup->copy->credit == 0) {
      // From before the copy, if not its beginning was lost.
      if (now - backup->copy->begun > 4 * options.timeouts.repeat_after) begin_copy(from.node, *backup);
      return {};
    }
    backup->copy.reset();  // All of it is there.
  }
  if (backup->copy && backup->copy->credit == 0) return {};
  if (answer.installing && !backup->copy) {
    begin_copy(from.node, *backup);
    return {};
  }
  if (!backup->streaming || answer.again) backup->stream_from(answer.received);
  backup->acknowledge(answer.durable, now);
  backup->next = std::max(backup->next, answer.durable + 1);
  return {};
}

Result<void> Replica::State::take_in(const ReplicaId& from, const AskEpochEnd& ask) {
  if (!may_speak()) return {};
  auto* backup = backup_of(from);
  if (backup == nullptr) return {};
  backup->stop_streaming();
  backup->disk_failed = false;  // One whose disk has failed asks nothing until it was started again.
  const auto ending = ask.worthless ? std::nullopt : log.end_of(ask.last_epoch);
  backup->keeps_missing_entries = ask.keeps_missing_entries;
  if (!ending || std::min(ending->end, ask.last_index) < log.base()) {
    if (ask.keeps_missing_entries) {
      backup->copy.reset();
      return {};
    }
    begin_copy(from.node, *backup);
    return {};
  }
  send(from.node, EpochEnd{ask.last_epoch, ask.last_index, ending->epoch, ending->end, log.end()});
  return {};
}

// --- Committing.

void Replica::State::append(runtime::WriteSet writes) {
  if (!ready || failed) return;  // The event that says so is on its way.
  if (hand_over_)
    held_.push_back(std::move(writes));
  else
    append_now(std::move(writes));
}

void Replica::State::append_now(runtime::WriteSet writes) {
  auto bytes = std::make_shared<const std::string>(encode(writes));
  log.append({epoch, std::move(bytes)}, std::move(writes));
  appended_.push_back(log.end());
  ++counters.entries_appended;
  for (auto& [node, backup] : backups_)
    if (backup.acknowledged + 1 == log.end()) backup.progressed = now;
}

Index Replica::State::acknowledged_by(const ReplicaId& id) const {
  if (is_self(id)) return failed ? 0 : log.durable();
  const auto found = backups_.find(id.node);
  if (found == backups_.end() || (found->second.id != id && !mutated(Mutation::kIgnoreStore))) return 0;
  return found->second.acknowledged;
}

// Visits the largest set that may be in force (KIP-497), some of it several times.
template <class Visit>
void Replica::State::for_each_waited_for(Visit&& visit) const {
  visit(options.self);
  for (const auto& member : record->in_sync) visit(member);
  if (mutated(Mutation::kForgetAdded)) return;
  for (const auto& proposed : unresolved_)
    for (const auto& member : proposed.in_sync) visit(member);
}

Index Replica::State::acknowledged_by_all() const {
  auto least = log.end();
  for_each_waited_for([&](const ReplicaId& member) { least = std::min(least, acknowledged_by(member)); });
  return least;
}

Index Replica::State::acknowledged_by_most() const {
  std::set<ReplicaId> members;
  for_each_waited_for([&](const ReplicaId& member) { members.insert(member); });
  std::vector<Index> acknowledged;
  acknowledged.reserve(members.size());
  for (const auto& member : members) acknowledged.push_back(acknowledged_by(member));
  std::ranges::sort(acknowledged);
  return std::min(acknowledged[(acknowledged.size() - 1) / 2], log.end());
}

void Replica::State::advance_commit() {
  commit = std::max(commit, mutated(Mutation::kCommitByMajority) ? acknowledged_by_most() : acknowledged_by_all());
}

// What has come about, for the Partition above.
void Replica::State::announce() {
  if (failed) return;
  const bool inherited = commit >= inherited_ && log.applied() >= std::max(inherited_, log.whole_from());
  if (!ready && (inherited || mutated(Mutation::kReadyTooEarly))) {
    ready = true;
    out_.events.push_back(BecamePrimary{epoch});
  }
  while (ready && !appended_.empty() && appended_.front() <= log.applied()) {
    out_.events.push_back(AppendCommitted{appended_.front()});
    appended_.pop_front();
  }
}

// --- Leases.

// Once it has named a successor it reads nothing, and says so, that nobody waits for its leases to run out; until it
// knows that nothing came of it, or waits for that no longer. Then it asks for new ones.
void Replica::State::release_or_claim_reads() {
  if (awaits_successor() == released_) return;
  released_ = !released_;
  claims_after_ = now;
  for (auto& [node, backup] : backups_) {
    if (!mutated(Mutation::kReadOnReleasedLease) && !mutated(Mutation::kReadDuringHandOver))
      backup.lease_until = Instant{};
    backup.heartbeat_due = now;
    if (may_speak() && link(node) != Link::kLost) heartbeat(node, backup);
  }
}

// Later than whatever was claimed before leases were given back, also when they are claimed anew in the same moment.
std::uint64_t Replica::State::lease_clock() const {
  return released_ ? kNoLease : clock_of(std::max(now, claims_after_ + Instant(1)));
}

// --- Sending.

void Replica::State::heartbeat(const NodeName& node, Backup& backup) {
  if (now < backup.heartbeat_due) return;
  backup.heartbeat_due = now + options.timeouts.heartbeat;
  // It claims nothing but that the primary lives, so it may name any entry that both have.
  const auto known = std::max(log.base(), std::min(backup.streaming ? backup.next - 1 : log.end(), log.end()));
  send(node, Append{known, log.epoch_at(known), {}, commit, lease_clock(), is_stuck()});
}

void Replica::State::send_entries(const NodeName& node, Backup& backup) {
  if (!backup.streaming) return;
  if (backup.next <= log.base()) return begin_copy(node, backup);
  const auto& limits = options.limits;
  const bool waited_for = backup.id && is_in_sync(*backup.id);
  const auto unanswered_max = waited_for ? limits.unanswered_bytes_max : limits.catching_up_bytes_max;
  while (backup.next <= log.end() && (backup.unanswered.empty() || backup.unanswered_bytes < unanswered_max)) {
    auto entries = log.read(backup.next, std::min(limits.append_bytes_max, unanswered_max));
    // Of no concern to this replica's own clients: the backup is given a copy.
    if (!entries) return begin_copy(node, backup);
    const auto previous = backup.next - 1;
    for (const auto& entry : *entries) backup.sent(backup.next, entry.size());
    backup.heartbeat_due = now + options.timeouts.heartbeat;
    send(node, Append{previous, log.epoch_at(previous), std::move(*entries), commit, lease_clock(), is_stuck()});
  }
}

void Replica::State::begin_copy(const NodeName& node, Backup& backup) {
  if (backup.id && is_in_sync(*backup.id)) {
    backup.useless = true;  // First it has to leave the in-sync set.
    return;
  }
  if (now < backup.no_copy_before) return;
  ++counters.copies_sent;
  backup.stop_streaming();
  backup.acknowledged = 0;
  const auto base = log.applied();
  copies_ = std::max(copies_, epoch << kCopyBits) + 1;
  backup.copy.emplace(Backup::Copy{copies_, base, RecordCopy(options.partition, *storage_), 0, 0, 0, now});
  send(node, CopyBegin{copies_, base, log.epoch_at(base)});
}

void Replica::State::take_in(const ReplicaId& from, const CopyCredit& credit) {
  auto* backup = backup_of(from);
  if (backup == nullptr || !backup->copy || backup->copy->number != credit.copy) return;
  auto& copy = *backup->copy;
  if (copy.credit == 0) backup->stream_from(copy.base);
  copy.credit = std::max(copy.credit, credit.chunks);
  copy.written = std::max(copy.written, credit.written);
  if (copy.records.is_complete() && copy.written == copy.sent) backup->copy.reset();
}

void Replica::State::send_copy(const NodeName& node, Backup& backup) {
  if (!backup.copy) return;
  auto& copy = *backup.copy;
  while (copy.sent < copy.credit && !copy.records.is_complete()) {
    const auto records = copy.records.next(options.limits.chunk_bytes);
    if (!records) {
      backup.no_copy_before = now + options.timeouts.copy_again_after;
      return backup.copy.reset();
    }
    ++copy.sent;
    // Storage may show already what is only being written.
    send(node, CopyChunk{copy.number, copy.sent, encode(*records), copy.records.is_complete(), log.applying()});
  }
}

void Replica::State::pump_primary() {
  if (!may_speak()) return;
  if (now >= leads_from_) {
    if (!failed) advance_commit();
    announce();
  }
  for (auto& [node, backup] : backups_) {
    if (link(node) == Link::kLost) continue;
    if (!failed) {
      send_entries(node, backup);
      send_copy(node, backup);
    }
    heartbeat(node, backup);
  }
}

// --- Questions.

bool Replica::State::may_publish() const {
  return ready && !failed && !hand_over_ && record->in_sync.size() >= options.min_in_sync;
}

Instant Replica::State::readable_until() const {
  if (!ready) return Instant{};
  if (mutated(Mutation::kReadWithoutLease)) return Instant::max();
  if (released_ && !mutated(Mutation::kReadDuringHandOver)) return Instant{};
  auto until = Instant::max();
  for_each_waited_for([&](const ReplicaId& member) {
    if (is_self(member)) return;
    const auto backup = backups_.find(member.node);
    const bool known = backup != backups_.end() && (backup->second.id == member || mutated(Mutation::kIgnoreStore));
    until = std::min(until, known ? backup->second.lease_until : Instant{});
  });
  return until;
}

std::vector<Replica::BackupStatus> Replica::State::backups() const {
  std::vector<BackupStatus> all;
  for (const auto& [node, backup] : backups_) {
    const auto acknowledged = std::min(backup.acknowledged, log.end());
    all.push_back({backup.id.value_or(ReplicaId{node, {}}), backup.id && is_in_sync(*backup.id),
                   link(node) == Link::kUp, backup.copy.has_value(), backup.keeps_missing_entries,
                   log.end() - acknowledged});
  }
  return all;
}

bool Replica::State::is_under_replicated() const {
  return leading_ && record->in_sync.size() < record->replicas.size();
}

}  // namespace carillon::cluster
