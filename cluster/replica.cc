// Inputs, the epoch, and who this replica is in it.
#include "cluster/replica.h"

#include <algorithm>
#include <utility>

#include "cluster/mutation.h"
#include "cluster/replica_state.h"

namespace carillon::cluster {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kStranger:
      return "stranger";
    case Role::kJoining:
      return "joining";
    case Role::kInSync:
      return "in sync";
    case Role::kPrimary:
      return "primary";
  }
  return "stranger";
}

// --- The epoch.

Replica::State::State(Options opened, const runtime::Storage& storage, Log opened_log, Instant at)
    : now(at), options(std::move(opened)), log(std::move(opened_log)), storage_(&storage) {
  epoch = std::max(log.end_epoch(), log.begun());
  proposals_ = std::uint64_t{options.life} << 32;
  commit = log.applied();
  heard_ = now;
  // Before a restart it may just have given a lease.
  lease_until_ = now + options.timeouts.read_lease;
}

bool Replica::State::is_in_sync(const ReplicaId& id) const {
  if (!record) return false;
  if (mutated(Mutation::kIgnoreStore))
    return std::ranges::any_of(record->in_sync, [&](const ReplicaId& member) { return member.node == id.node; });
  return record->is_in_sync(id);
}

Replica::State::Link Replica::State::link(const NodeName& node) const {
  const auto found = links_.find(node);
  return found == links_.end() ? Link::kUnknown : found->second;
}

// A higher epoch than the last, or the same one when its primary was not known.
void Replica::State::enter_epoch(Epoch next, const std::optional<ReplicaId>& leader) {
  const bool same_primary = leader && primary && *leader == *primary;
  if (!leader || !is_self(*leader)) stop_leading();
  if (!same_primary && install_ != Install::kNone && !discarding_) become_worthless();
  epoch = next;
  primary = leader;
  reconciled_ = false;
  lease_from_ = 0;  // Of another clock, perhaps: also a primary that started again.
  must_raise_ = false;
  asked_at_.reset();
  again_at_.reset();
  suspected_.reset();
  primary_is_stuck_ = primary_lacks_entries_ = false;
  heard_ = now;
  is_heard_ = false;
  tell_at_ = now;
  answered_ = 0;
  if (leader && is_self(*leader)) lead();
}

void Replica::State::record_changed(const std::optional<PartitionRecord>& changed, Revision revision) {
  if (revision <= revision_) return;
  if (record && changed) count_outcomes(*changed);
  revision_ = revision;
  record = changed;
  unresolved_.clear();
  asked_ = Asked::kNothing;
  asked_again_at_ = now;
  wish_pause_ = 2 * options.timeouts.hand_over_max;  // Etcd works.
  wants_removal_.reset();
  if (!record) {
    stop_leading();
    primary.reset();
    return;
  }
  if (record->epoch > epoch || (record->epoch == epoch && !primary)) enter_epoch(record->epoch, record->primary);
  if (leading_) follow_record();
  if (hand_over_ && hand_over_->to && !is_in_sync(*hand_over_->to)) end_hand_over();
  if (discarding_ && (record->is_wanted(options.self.node) || is_in_sync(options.self))) {
    discarding_ = false;
    become_worthless();
  }
}

void Replica::State::link_changed(const NodeName& node, bool up) {
  links_[node] = up ? Link::kUp : Link::kLost;
  const auto backup = backups_.find(node);
  if (backup == backups_.end()) return;
  // What was on its way is lost, perhaps also when nobody noticed that the link was down.
  backup->second.stop_streaming();
  backup->second.copy.reset();
  backup->second.is_met = false;
  if (up) {
    backup->second.heard = now;
    backup->second.heartbeat_due = now;
  }
}

// --- Messages.

Result<void> Replica::State::received(PeerMessage message) {
  if (message.partition != options.partition) return Error{ErrorCode::MALFORMED, "a peer's message is not for here"};
  if (is_self(message.from)) return Error{ErrorCode::MALFORMED, "a peer claims to be this replica"};
  if (revision_ == 0) return {};  // Before the record is known its log alone does not say in which epoch it was.
  if (const auto* nomination = std::get_if<Nomination>(&message.body)) {
    // Another disk of this node may have been meant.
    if (is_self(nomination->record.primary)) record_changed(nomination->record, nomination->revision);
    return {};
  }
  const bool of_primary =
      std::holds_alternative<Append>(message.body) || std::holds_alternative<EpochEnd>(message.body) ||
      std::holds_alternative<CopyBegin>(message.body) || std::holds_alternative<CopyChunk>(message.body);
  // A copy belongs to a life of a primary, not to an epoch: it goes on while that one changes the in-sync set.
  if (const auto* chunk = std::get_if<CopyChunk>(&message.body))
    if (install_ == Install::kReceiving && primary == message.from && chunk->copy == copy_) return take_in(*chunk);
  if (const auto* credit = std::get_if<CopyCredit>(&message.body))
    if (leading_ && message.epoch != epoch) {
      take_in(message.from, *credit);
      return {};
    }
  if (mutated(Mutation::kIgnoreEpoch)) message.epoch = epoch;
  if (message.epoch < epoch) {
    ++counters.refused;
    if (of_primary) refuse(message.from);
    return {};
  }
  if (message.epoch > epoch) {
    // Its own swap may have been done, and others have heard of it first.
    const bool own = !of_primary && std::ranges::any_of(unresolved_, [&](const PartitionRecord& proposed) {
      return proposed.epoch == message.epoch && is_self(proposed.primary);
    });
    if (own) return {};
    if (of_primary)
      enter_epoch(message.epoch, message.from);
    else
      enter_epoch(message.epoch, std::nullopt);
  }
  if (of_primary) {
    if (!primary) enter_epoch(epoch, message.from);
    if (*primary != message.from && !mutated(Mutation::kIgnoreEpoch))
      return Error{ErrorCode::MALFORMED, "a peer claims to be primary in an epoch that has another"};
    if (leading_) return {};
    heard_primary();
  } else if (!leading_) {
    return {};
  }
  const auto from = message.from;
  return std::visit(
      [&](auto& body) -> Result<void> {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::same_as<Body, Append>) {
          return take_in(from, std::move(body));
        } else if constexpr (std::same_as<Body, EpochEnd> || std::same_as<Body, CopyChunk>) {
          return take_in(body);
        } else if constexpr (std::same_as<Body, CopyBegin>) {
          take_in(body);
        } else if constexpr (std::same_as<Body, AppendAnswer> || std::same_as<Body, AskEpochEnd>) {
          return take_in(from, body);
        } else if constexpr (std::same_as<Body, CopyCredit>) {
          take_in(from, body);
        } else if constexpr (std::same_as<Body, DiskFailure>) {
          if (auto* backup = backup_of(from)) backup->disk_failed = true;
        }
        return {};
      },
      message.body);
}

// --- The disk.

void Replica::State::written(std::uint64_t number) {
  if (failed) return;
  log.written(number);
  while (!chunk_writes_.empty() && chunk_writes_.front() <= number) {
    if (copy_ends_ && chunk_writes_.size() == 1) {
      // The primary hears of the last one when the copy has ended here as well: it would take it for one that has failed.
      end_copy();
      chunk_writes_.front() = log.next_write();
      break;
    }
    chunk_writes_.pop_front();
    ++chunks_written_;
    chunk_at_ = now;
    if (primary) send(primary->node, CopyCredit{copy_, chunks_written_, chunks_written_ + options.limits.chunks_ahead});
  }
}

void Replica::State::write_failed(const Error& error) {
  if (!failed) fail(error);
}

void Replica::State::fail(const Error& error) {
  failed = error;
  appended_.clear();
  held_.clear();
  out_.events.push_back(DiskFailed{error});
  if (primary && !is_self(*primary)) send(primary->node, DiskFailure{});
}

void Replica::State::discard() {
  if (role() != Role::kStranger || !is_own_record() || discarding_ || failed) return;
  if (gave_up_entries()) log.keep_missing_entries(false);
  if (log.keeps_missing_entries() || now - heard_ < options.timeouts.discard_after) return;
  discarding_ = true;
  become_worthless();
  install_ = Install::kWiping;
}

void Replica::State::pump() {
  if (leading_) pump_primary();
  if (!leading_) pump_backup();
  if (!failed && install_ != Install::kWiping) {
    const auto until = mutated(Mutation::kApplyBeforeCommit) ? log.end() : std::min(commit, log.end());
    if (const auto applied = log.apply(until); !applied) fail(applied.error());
  }
  if (!failed && install_ == Install::kWiping) pump_wipe();
  decide();
  if (leading_) release_or_claim_reads();
}

ReplicaOutputs Replica::State::take() {
  if (!failed)
    if (auto write = log.take_write()) out_.writes.push_back(std::move(*write));
  return std::exchange(out_, {});
}

Role Replica::State::role() const {
  if (leading_) return Role::kPrimary;
  if (!record) return Role::kStranger;
  if (is_in_sync(options.self)) return Role::kInSync;
  return record->is_wanted(options.self.node) ? Role::kJoining : Role::kStranger;
}

// --- The outside.

Replica::Replica(std::unique_ptr<State> state) : state_(std::move(state)) {}
Replica::~Replica() = default;

Result<std::unique_ptr<Replica>> Replica::open(Options options, const runtime::Storage& storage, Instant now) {
  auto log = Log::open(options.partition, options.limits, storage);
  if (!log) return log.error();
  return std::unique_ptr<Replica>(
      new Replica(std::make_unique<State>(std::move(options), storage, std::move(*log), now)));
}

void Replica::record_changed(const std::optional<PartitionRecord>& record, Revision revision, Instant now) {
  state_->now = now;
  state_->record_changed(record, revision);
  state_->pump();
}

void Replica::proposal_answered(std::uint64_t number, Swap outcome, Revision revision, Instant now) {
  state_->now = now;
  state_->proposal_answered(number, outcome, revision);
  state_->pump();
}

void Replica::append(runtime::WriteSet writes, Instant now) {
  state_->now = now;
  state_->append(std::move(writes));
  state_->pump();
}

void Replica::written(std::uint64_t number, Instant now) {
  state_->now = now;
  state_->written(number);
  state_->pump();
}

void Replica::write_failed(const Error& error, Instant now) {
  state_->now = now;
  state_->write_failed(error);
  state_->pump();
}

Result<void> Replica::received(PeerMessage message, Instant now) {
  state_->now = now;
  auto result = state_->received(std::move(message));
  state_->pump();
  return result;
}

void Replica::link_up(const NodeName& node, Instant now) {
  state_->now = now;
  state_->link_changed(node, true);
  state_->pump();
}

void Replica::link_lost(const NodeName& node, Instant now) {
  state_->now = now;
  state_->link_changed(node, false);
  state_->pump();
}

void Replica::tick(Instant now) {
  state_->now = now;
  state_->pump();
}

Result<void> Replica::hand_over(const std::optional<ReplicaId>& to, Instant now) {
  state_->now = now;
  auto begun = state_->hand_over(to);
  state_->pump();
  return begun;
}

void Replica::discard(Instant now) {
  state_->now = now;
  state_->discard();
  state_->pump();
}

ReplicaOutputs Replica::take() { return state_->take(); }

Role Replica::role() const { return state_->role(); }
Epoch Replica::epoch() const { return state_->epoch; }
std::optional<ReplicaId> Replica::primary() const { return state_->primary; }
const std::optional<PartitionRecord>& Replica::record() const { return state_->record; }
const std::optional<Error>& Replica::failed() const { return state_->failed; }
bool Replica::is_ready() const { return state_->ready; }
bool Replica::may_publish() const { return state_->may_publish(); }
Instant Replica::readable_until() const { return state_->readable_until(); }
Index Replica::log_end() const { return state_->log.end(); }
Index Replica::commit_index() const { return state_->commit; }
bool Replica::is_worthless() const { return state_->is_worthless(); }
bool Replica::keeps_missing_entries() const { return state_->log.keeps_missing_entries(); }
bool Replica::has_whole_records() const { return state_->log.shows_no_holes(); }
Index Replica::applied_index() const { return state_->log.applied(); }
std::vector<Replica::BackupStatus> Replica::backups() const { return state_->backups(); }
bool Replica::is_under_replicated() const { return state_->is_under_replicated(); }
void Replica::Counters::add(const Counters& others) {
  entries_appended += others.entries_appended;
  truncations += others.truncations;
  copies_begun += others.copies_begun;
  copies_sent += others.copies_sent;
  removals += others.removals;
  nominations += others.nominations;
  nominations_lost += others.nominations_lost;
  hand_overs += others.hand_overs;
  refused += others.refused;
}

const Replica::Counters& Replica::counters() const { return state_->counters; }

}  // namespace carillon::cluster
