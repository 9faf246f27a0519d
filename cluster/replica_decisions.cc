// Which compare-and-swap is due: additions, removals, nominations, hand-overs.
#include <algorithm>
#include <utility>

#include "cluster/mutation.h"
#include "cluster/replica_state.h"

namespace carillon::cluster {
namespace {

// Not more than so many entries behind may be whoever is to be waited for by every commit.
constexpr Index kSmallLag = 64;

constexpr Instant kWishPauseMost = std::chrono::seconds(60);

PartitionRecord without(PartitionRecord record, const std::set<ReplicaId>& leaving) {
  std::erase_if(record.in_sync, [&](const ReplicaId& member) { return leaving.contains(member); });
  return record;
}

}  // namespace

// --- Asking etcd.

bool Replica::State::may_propose() const {
  if (!is_own_record() || discarding_) return false;
  switch (asked_) {
    case Asked::kNothing:
    case Asked::kUnknown:
      return now >= asked_again_at_;
    case Asked::kWaiting:
    case Asked::kLost:
      return false;  // The watch will tell what came before.
  }
  return false;
}

// With a new epoch, unless nothing changes.
void Replica::State::propose(PartitionRecord next) {
  unresolved_.push_back(next);
  asked_ = Asked::kWaiting;
  out_.proposal = Proposal{++proposals_, std::move(next), revision_};
}

void Replica::State::proposal_answered(std::uint64_t number, Swap outcome, Revision revision) {
  if (number != proposals_ || asked_ != Asked::kWaiting) return;
  if (mutated(Mutation::kTakeLostForWon) && outcome == Swap::kLost) {
    outcome = Swap::kWon;
    revision = revision_ + 1;
  }
  switch (outcome) {
    case Swap::kWon:
      return record_changed(PartitionRecord(unresolved_.back()), revision);
    case Swap::kLost:
      if (is_nomination(unresolved_.back())) ++counters.nominations_lost;
      unresolved_.pop_back();
      asked_ = Asked::kLost;
      return;
    case Swap::kUnknown:
      asked_ = Asked::kUnknown;
      // One that was asked for before is not another; so a long outage does not make them many.
      if (std::ranges::count(unresolved_, unresolved_.back()) > 1) unresolved_.pop_back();
      end_hand_over();  // Nobody knows how long it takes until it is known, and players wait.
      asked_again_at_ = now + options.timeouts.repeat_after;
      return;
    case Swap::kNotSent:
      // Nothing need be withheld for it. For those before it that were sent it still must.
      unresolved_.pop_back();
      end_hand_over();
      asked_ = unresolved_.empty() ? Asked::kNothing : Asked::kUnknown;
      asked_again_at_ = now + options.timeouts.repeat_after;
      return;
  }
}

bool Replica::State::is_nomination(const PartitionRecord& proposed) const {
  return is_self(proposed.primary) && !is_self(record->primary);
}

// What became of what was asked for, whoever says it first: etcd's answer, its watch, or another replica.
void Replica::State::count_outcomes(const PartitionRecord& changed) {
  for (const auto& proposed : unresolved_) {
    const bool won = proposed.epoch == changed.epoch && proposed.epoch > record->epoch &&
                     proposed.primary == changed.primary && proposed.in_sync == changed.in_sync;
    if (is_nomination(proposed))
      ++(won ? counters.nominations : counters.nominations_lost);
    else if (won && !is_self(proposed.primary) && proposed.is_in_sync(options.self))
      ++counters.hand_overs;
    else if (won && is_self(proposed.primary) && proposed.in_sync.size() < record->in_sync.size())
      ++counters.removals;
  }
}

// Perhaps already done, unless there is a higher epoch than the record's: then etcd holds another, on which it cannot be.
bool Replica::State::nominates_itself() const {
  return !leading_ && is_own_record() &&
         std::ranges::any_of(unresolved_, [&](const auto& proposed) { return is_self(proposed.primary); });
}

bool Replica::State::gives_itself_up() const {
  return leading_ && std::ranges::any_of(unresolved_, [&](const auto& proposed) { return !is_self(proposed.primary); });
}

void Replica::State::decide() {
  look_at_disk();
  if (hand_over_ && now >= hand_over_->until) end_hand_over();
  if (!may_propose()) return;
  auto next = leading_ || must_raise_ ? next_as_primary() : next_as_backup();
  if (next) {
    next->epoch = record->epoch + 1;
    propose(std::move(*next));
  } else if (asked_ == Asked::kUnknown) {
    // Nothing is wanted any more, but what was asked for may yet be done: leases are withheld for it, and commits wait.
    // Once the record has another revision it can not.
    propose(*record);
  }
}

// --- As the primary.

// Its disk answers nothing, as one does that hangs: no write has failed, and none is done, be it an entry's or what an entry
// says. Not seen from a process that had no time itself.
void Replica::State::look_at_disk() {
  const bool had_time = now - std::exchange(looked_at_, now) <= options.timeouts.suspect_after;
  if (!leading_ || !had_time || !log.is_waiting() || log.answered() != answered_seen_) {
    answered_seen_ = log.answered();
    answered_at_ = now;
  }
  is_stalled_ = leading_ && now - answered_at_ > options.timeouts.stalled_after;
}

// By whoever is in sync, who has all that is committed.
std::optional<PartitionRecord> Replica::State::replaced() {
  auto to = successor(true);
  if (!to) to = successor(false);
  if (!to) return std::nullopt;
  // If the disks of the others answer as little, it is better to wait.
  const auto theirs = acknowledged_by(*to);
  if (!failed && theirs < log.end() && theirs <= log.durable()) return std::nullopt;
  auto next = without(*record, {options.self});
  next.primary = *to;
  return next;
}

std::optional<PartitionRecord> Replica::State::next_as_primary() {
  if (failed) return replaced();
  if (must_raise_) return *record;
  if (now < leads_from_) return std::nullopt;
  // Removing others would not help it, and it may have to be replaced by one of them.
  if (is_stalled_) return replaced();
  if (auto next = without_silent()) {
    if (!wants_removal_) wants_removal_ = now;
    return next;
  }
  wants_removal_.reset();
  if (!ready) return std::nullopt;
  if (auto next = handed_over()) return next;
  if (hand_over_) return std::nullopt;
  if (auto next = with_caught_up()) return next;
  return without_unwanted();
}

// Others may reach etcd: one of them should take over.
bool Replica::State::is_stuck() const {
  const auto is_gone = [&](const ReplicaId& member) { return !is_self(member) && !is_alive(member); };
  return leading_ && wants_removal_ && now - *wants_removal_ > options.timeouts.stalled_after &&
         now >= readable_until() && std::ranges::any_of(record->in_sync, is_gone);
}

bool Replica::State::is_alive(const ReplicaId& id) const {
  const auto found = backups_.find(id.node);
  return found != backups_.end() && found->second.id == id && found->second.is_met && !found->second.disk_failed &&
         link(id.node) != Link::kLost && now - found->second.heard <= options.timeouts.suspect_after;
}

std::optional<PartitionRecord> Replica::State::without_silent() {
  const auto& timeouts = options.timeouts;
  std::set<ReplicaId> gone;    // There is no doubt.
  std::set<ReplicaId> silent;  // Perhaps it is this primary that is cut off.
  for (const auto& member : record->in_sync) {
    if (is_self(member)) continue;
    const auto found = backups_.find(member.node);
    if (found == backups_.end()) {
      gone.insert(member);  // Another disk of this very node.
      continue;
    }
    auto& backup = found->second;
    const bool replaced = backup.id && *backup.id != member && !mutated(Mutation::kIgnoreStore);
    const bool stalled =
        backup.acknowledged < log.end() && backup.id == member &&
        now - std::max(backup.progressed, backup.heard - timeouts.stalled_after) > timeouts.stalled_after;
    if (replaced || backup.disk_failed || backup.useless || stalled) {
      gone.insert(member);
      if (stalled) backup.not_before = now + timeouts.stalled_after;
    } else if (link(member.node) == Link::kLost || now - backup.heard > timeouts.suspect_after) {
      silent.insert(member);
    }
  }
  if (!silent.empty() && record->in_sync.size() - gone.size() - silent.size() < options.min_in_sync) {
    // Alone it could not publish. If others are together somewhere they will replace it; they get the time for that.
    std::erase_if(silent, [&](const ReplicaId& member) {
      return now - backups_.find(member.node)->second.heard <= 2 * timeouts.suspect_after;
    });
  }
  gone.merge(silent);
  if (gone.empty()) return std::nullopt;
  for (const auto& member : gone)
    if (const auto found = backups_.find(member.node); found != backups_.end()) found->second.useless = false;
  return without(*record, gone);
}

std::optional<PartitionRecord> Replica::State::with_caught_up() const {
  std::vector<ReplicaId> caught_up;
  for (const auto& [node, backup] : backups_) {
    if (!backup.id || is_in_sync(*backup.id) || !record->is_wanted(node) || backup.disk_failed) continue;
    const bool trusted = mutated(Mutation::kTrustRemoved);
    if (!trusted && (!backup.streaming || backup.copy || backup.installing || now < backup.not_before)) continue;
    if (link(node) == Link::kLost || now - backup.heard > options.timeouts.suspect_after) continue;
    // It must have all that is committed; what is not will wait for it.
    if (!trusted && (backup.acknowledged < commit || backup.acknowledged + kSmallLag < log.end())) continue;
    caught_up.push_back(*backup.id);
  }
  if (caught_up.empty()) return std::nullopt;
  auto next = *record;
  next.in_sync.insert(next.in_sync.end(), caught_up.begin(), caught_up.end());
  return next;
}

std::optional<PartitionRecord> Replica::State::without_unwanted() {
  if (!record->is_wanted(options.self.node)) {
    if (const auto to = successor(true)) (void)hand_over(to);
    return std::nullopt;
  }
  // The order of `replicas` carries a wish: the first of them should be primary.
  const auto wish = record->replicas.empty() ? options.self.node : record->replicas.front();
  const auto first = std::ranges::find(record->in_sync, wish, &ReplicaId::node);
  if (first != record->in_sync.end() && !is_self(*first) && hand_over(*first)) return std::nullopt;
  std::set<ReplicaId> leaving;
  for (const auto& member : record->in_sync)
    if (!record->is_wanted(member.node) && record->in_sync.size() - leaving.size() > options.min_in_sync)
      leaving.insert(member);
  if (leaving.empty()) return std::nullopt;
  return without(*record, leaving);
}

// --- Handing over.

// Alive and in sync, with the longest log.
std::optional<ReplicaId> Replica::State::successor(bool wanted_only) const {
  std::optional<ReplicaId> best;
  for (const auto& member : record->in_sync) {
    if (!is_alive(member) || (wanted_only && !record->is_wanted(member.node))) continue;
    if (!best || acknowledged_by(member) > acknowledged_by(*best)) best = member;
  }
  return best;
}

Result<void> Replica::State::hand_over(const std::optional<ReplicaId>& to) {
  if (!ready || failed) return Error{ErrorCode::UNAVAILABLE, "this is not a primary that could hand over"};
  if (hand_over_) return {};
  if (to && (!is_in_sync(*to) || is_self(*to) || !is_alive(*to)))
    return Error{ErrorCode::UNAVAILABLE, "only another replica that is in sync and answers can become primary"};
  if (!to && !successor(false)) return Error{ErrorCode::UNAVAILABLE, "no other replica is in sync"};
  // Players wait while it is tried: so not before etcd is likely to hear of it, and for a wish alone seldom.
  if (asked_ != Asked::kNothing || now < asked_again_at_ || (to && now < wish_after_))
    return Error{ErrorCode::UNAVAILABLE, "it is too soon after what was asked of etcd before"};
  hand_over_ = HandOver{to, now + options.timeouts.hand_over_max};
  return {};
}

std::optional<PartitionRecord> Replica::State::handed_over() {
  if (!hand_over_ || commit < log.end() || !appended_.empty()) return std::nullopt;
  auto to = hand_over_->to;
  if (!to) to = successor(true);
  if (!to) to = successor(false);
  if (!to || !is_alive(*to) || acknowledged_by(*to) < log.end()) return std::nullopt;
  auto next = *record;
  next.primary = *to;
  return next;
}

// It did not come about, or not that it is known of; what waited goes on, in the old epoch. Nothing of it is committed
// that the successor, should it lead already, has not got.
void Replica::State::end_hand_over() {
  if (!hand_over_) return;
  hand_over_.reset();
  wish_after_ = now + wish_pause_;
  wish_pause_ = std::min(2 * wish_pause_, kWishPauseMost);
  for (auto& writes : std::exchange(held_, {})) append_now(std::move(writes));
}

// --- As a backup.

std::optional<PartitionRecord> Replica::State::next_as_backup() {
  const bool in_sync = is_in_sync(options.self) || mutated(Mutation::kNominateOutOfSync);
  if (!in_sync || failed || !primary || is_self(*primary)) return std::nullopt;
  if (log.is_installing() && !mutated(Mutation::kNominateOutOfSync)) return std::nullopt;
  const auto& timeouts = options.timeouts;
  if (link(primary->node) != Link::kLost && now - heard_ <= timeouts.suspect_after && !is_to_take_over()) {
    suspected_.reset();
    return std::nullopt;
  }
  if (!suspected_) suspected_ = now;
  // One after the other, so that they seldom collide.
  std::int64_t place = 0;
  for (const auto& member : record->in_sync) {
    if (is_self(member)) break;
    place += member != *primary;
  }
  const auto free_at = mutated(Mutation::kNominateDuringLease) ? *suspected_ : std::max(*suspected_, lease_until_);
  if (now < free_at + place * timeouts.stagger) return std::nullopt;
  auto next = without(*record, {*primary});
  if (!next.is_in_sync(options.self)) next.in_sync.push_back(options.self);
  next.primary = options.self;
  return next;
}

}  // namespace carillon::cluster
