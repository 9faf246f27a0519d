#include "runtime/fold.h"

#include <algorithm>

#include "runtime/key.h"
#include "runtime/mutation.h"

namespace carillon::runtime {

Fold::Fold(Options options, const Behaviour& behaviour, const Storage& storage)
    : options_(std::move(options)),
      behaviour_(behaviour),
      storage_(&storage),
      producer_(ProducerId::hub(options_.hub)),
      state_(behaviour_.initial_state()),
      targets_(options_.partitions),
      held_(options_.held_by_all) {}

Result<Fold> Fold::open(Options options, const Behaviour& behaviour, const Storage& storage) {
  Fold fold(std::move(options), behaviour, storage);
  if (auto loaded = fold.load(); !loaded) return loaded.error();
  return fold;
}

Result<void> Fold::load() {
  const auto& hub = options_.hub;
  const auto stored = storage_->get(entity_key(home(), Tag::kSnapshot, hub));
  if (!stored) return stored.error();
  std::optional<Snapshot> snapshot;
  if (*stored) {
    auto decoded = decode_snapshot(**stored);
    if (!decoded) return decoded.error();
    snapshot = std::move(*decoded);
    for (const auto& counter : snapshot->emissions)
      if (counter.partition.value < targets_.size())
        targets_[counter.partition.value] = {counter.sequence, counter.sequence};
    known_acknowledged_ = snapshot->offset;
    counters_from_ = snapshot->offset;
  }
  if (auto begun = begin(snapshot); !begun) return begun;
  const auto cursor = storage_->get(entity_key(home(), Tag::kCursor, hub));
  if (!cursor) return cursor.error();
  if (*cursor) {
    const auto offset = decode_cursor(**cursor);
    if (!offset) return offset.error();
    known_acknowledged_ = std::max(known_acknowledged_, *offset);
  }
  return storage_->scan(entity_key(home(), Tag::kDeadLetter, hub, folded_ + 1),
                        entity_end(home(), Tag::kDeadLetter, hub), [&](auto key, auto) {
                          if (const auto parsed = parse_entity_key(key)) dead_.insert(parsed->offset);
                          return true;
                        });
}

// With the snapshot's state, if it is of the behaviour's version. Otherwise the hub is computed anew from its first event; when that is
// gone, with another version's state, if the behaviour reads it. Never from the middle.
Result<void> Fold::begin(const std::optional<Snapshot>& snapshot) {
  const auto fail = [this](const std::string& why) {
    return Error{ErrorCode::UNAVAILABLE, options_.hub.text() + " cannot be computed: " + why};
  };
  const auto version_of = [](std::uint32_t version) { return "version " + std::to_string(version); };
  const bool own = snapshot && snapshot->behaviour_version == behaviour_.version();
  std::string advice = "raise the behaviour's version";
  if (!own) {
    const auto first = first_of_mailbox(*storage_, home(), options_.hub);
    if (!first) return first.error();
    if (*first <= 1) return {};
    const auto gone = "its events before " + std::to_string(*first) + " are gone by retention";
    if (!snapshot) return fail(gone + ", and it has no snapshot; run `carillon verify`");
    const auto theirs = snapshot->behaviour_version;
    advice = gone + "; install a behaviour that reads snapshots of " + version_of(theirs);
    if (theirs < behaviour_.snapshots_since() || theirs > behaviour_.version())
      return fail("its snapshot is of " + version_of(theirs) + " of its behaviour, which " +
                  version_of(behaviour_.version()) + " does not read, and " + advice);
  }
  if (auto decoded = state_->decode(snapshot->state); !decoded)
    return fail("its snapshot does not fit its behaviour (" + decoded.error().message + "): " + advice);
  folded_ = named_ = snapshot->offset;
  if (own) snapshot_offset_ = snapshot->offset;  // Another version's is replaced soon.
  return {};
}

void Fold::catch_up(Offset until) {
  if (until <= named_) return;  // The snapshot had it already.
  CHECK(handed_.empty());
  if (mutated(Mutation::kSkipResend) && known_acknowledged_ > 0) known_acknowledged_ = until;
  on_disk_ = named_ = until;
}

void Fold::hand(EventSlice events) {
  const auto expected = named_ + 1;
  if (events.last() < expected) return;  // The snapshot had it already.
  CHECK(events.first <= expected);
  named_ = events.last();
  handed_.push_back(events.first == expected ? std::move(events) : events.from(expected));
}

void Fold::acknowledged(PartitionId target, Sequence upto) {
  auto& counter = targets_.at(target.value);
  const auto outstanding = counter.numbered - counter.acknowledged;
  counter.acknowledged = std::max(counter.acknowledged, std::min(upto, counter.numbered));
  if (outstanding > 0) {  // As if all were equally large.
    const auto released = counter.bytes * (outstanding - (counter.numbered - counter.acknowledged)) / outstanding;
    counter.bytes -= released;
    held_.add(-static_cast<std::ptrdiff_t>(released));
  }
  settle();
}

bool Fold::outstanding(PartitionId target) const {
  const auto& counter = targets_.at(target.value);
  return counter.acknowledged < counter.numbered && !mutated(Mutation::kNothingOutstanding);
}

void Fold::settle() {
  const auto is_settled = [this](const Unsettled& some) { return targets_[some.target].acknowledged >= some.last; };
  while (!unsettled_.empty() && is_settled(unsettled_.front())) unsettled_.pop_front();
  // However long the first one takes, what is settled behind it does not pile up.
  unsettled_after_clearing_ = std::min(unsettled_after_clearing_, unsettled_.size());
  if (unsettled_.size() < 2 * unsettled_after_clearing_ + options_.limits.emissions_unacknowledged_max) return;
  std::erase_if(unsettled_, is_settled);
  unsettled_after_clearing_ = unsettled_.size();
}

Offset Fold::cursor() const { return unsettled_.empty() ? folded_ : unsettled_.front().offset - 1; }

bool Fold::idle() const {
  return handed_.empty() && page_.events.empty() && folded_ >= on_disk_ && outbox_.empty() && unsettled_.empty();
}

Snapshot Fold::snapshot_now() const {
  Snapshot snapshot{folded_, behaviour_.version(), state_->encode(), {}};
  for (std::size_t p = 0; p < targets_.size(); ++p)
    if (targets_[p].numbered > 0) snapshot.emissions.push_back({{static_cast<std::uint16_t>(p)}, targets_[p].numbered});
  return snapshot;
}

std::optional<Snapshot> Fold::final_snapshot() {
  CHECK(idle());
  if (folded_ == snapshot_offset_) return std::nullopt;
  snapshot_offset_ = folded_;
  return snapshot_now();
}

// Makes `page_` hold what comes next. False when there is nothing.
Result<bool> Fold::refill() {
  if (!page_.events.empty()) return true;
  if (folded_ < on_disk_) {
    auto run = read_mailbox(*storage_, home(), options_.hub, folded_ + 1,
                            {options_.limits.page_events_max, options_.limits.page_bytes_max});
    if (!run && run.error().code == ErrorCode::TRUNCATED)
      return Error{ErrorCode::UNAVAILABLE, "the mailbox of " + options_.hub.text() + " begins at " +
                                               std::to_string(run.error().first_offset) +
                                               ", and no snapshot of it reaches further than " +
                                               std::to_string(folded_) + "; run `carillon verify`"};
    if (!run) return run.error();
    const auto allowed = on_disk_ - folded_;
    if (run->events.size() > allowed)
      run->events.erase(run->events.begin() + static_cast<std::ptrdiff_t>(allowed), run->events.end());
    if (run->events.empty())
      return Error{ErrorCode::UNAVAILABLE, "the mailbox of " + options_.hub.text() + " ends before " +
                                               std::to_string(on_disk_) + "; run `carillon verify`"};
    page_ = slice_of(std::move(*run));
    return true;
  }
  if (handed_.empty()) return false;
  page_ = std::move(handed_.front());
  handed_.pop_front();
  CHECK(page_.first == folded_ + 1);
  return true;
}

Result<Fold::Outcome> Fold::step(std::size_t events_max) {
  Outcome outcome;
  send_what_may_go(outcome);
  std::size_t done = 0;
  while (done < events_max && outbox_.empty() && !is_crowded()) {
    const auto some = refill();
    if (!some) return some.error();
    if (!*some) break;
    std::size_t taken = 0;
    for (; taken < page_.events.size() && done < events_max && outbox_.empty() && !is_crowded(); ++taken, ++done) {
      outcome.failure = fold_one(*page_.events[taken], folded_ + 1);
      if (outcome.failure) return outcome;
      send_what_may_go(outcome);
    }
    page_ = taken == page_.events.size() ? EventSlice{} : page_.from(page_.first + taken);
  }
  if (folded_ - snapshot_offset_ >= options_.limits.events_per_snapshot && folded_ >= counters_from_ &&
      !pending_snapshot_ && outbox_.empty()) {
    pending_snapshot_ = snapshot_now();
    snapshot_offset_ = folded_;
  }
  // A snapshot stands for work that is done: only then may recovery begin at it.
  if (pending_snapshot_ && (cursor() >= pending_snapshot_->offset || mutated(Mutation::kSnapshotEarly))) {
    outcome.snapshot = std::move(pending_snapshot_);
    pending_snapshot_.reset();
  }
  const bool has_work = outbox_.empty() && (!page_.events.empty() || !handed_.empty() || folded_ < on_disk_);
  outcome.crowded = has_work && is_crowded();
  outcome.more = has_work && !outcome.crowded;
  return outcome;
}

std::optional<Fold::Failure> Fold::fold_one(const Event& event, Offset offset) {
  if (!dead_.contains(offset)) {
    auto effects = state_->apply(event, Context(options_.hub, offset, event));
    // What another version has handled long ago, and this one knows no more, is no failure: many of them would have a rebuild begin
    // anew each time.
    const bool is_obsolete = !effects && effects.error().code == ErrorCode::UNKNOWN_TYPE && offset <= counters_from_;
    if (!effects && !is_obsolete) return Failure{offset, std::move(effects.error()), event.traceparent};
    if (offset > counters_from_) number(std::move(*effects), event, offset);
  }
  folded_ = offset;
  return std::nullopt;
}

// What an event causes is part of its trace.
void Fold::number(Effects effects, const Event& cause, Offset offset) {
  const auto before = unsettled_.size();
  const bool known = offset <= known_acknowledged_;
  for (auto& effect : std::move(effects).list()) {
    const auto target = effect.target.partition_of(options_.partitions).value;
    auto& counter = targets_[target];
    const auto sequence = ++counter.numbered;
    if (known) {
      counter.acknowledged = sequence;
      continue;
    }
    constexpr std::size_t kBesideText = 192;
    const auto bytes = kBesideText + effect.target.text().size() + effect.type.size() + effect.payload.size();
    counter.bytes += bytes;
    held_.add(static_cast<std::ptrdiff_t>(bytes));
    outbox_.push_back({std::move(effect.target),
                       {.type = std::move(effect.type),
                        .payload = std::move(effect.payload),
                        .producer = producer_,
                        .sequence = sequence,
                        .traceparent = cause.traceparent},
                       effect.due});
    const auto mine = unsettled_.begin() + static_cast<std::ptrdiff_t>(before);
    const auto found = std::find_if(mine, unsettled_.end(), [&](const auto& some) { return some.target == target; });
    if (found == unsettled_.end())
      unsettled_.push_back({offset, target, sequence});
    else
      found->last = sequence;
  }
}

void Fold::send_what_may_go(Outcome& outcome) {
  while (!outbox_.empty()) {
    auto& emission = outbox_.front();
    const auto target = emission.target.partition_of(options_.partitions);
    const auto sequence = emission.event.sequence;
    const auto acknowledged = targets_[target.value].acknowledged;
    if (sequence <= acknowledged) {  // By what an earlier fold had sent.
      outbox_.pop_front();
      continue;
    }
    if (sequence - acknowledged > options_.limits.emissions_unacknowledged_max) break;
    auto found = std::ranges::find(outcome.emissions, target, &std::pair<PartitionId, HubEmissions>::first);
    if (found == outcome.emissions.end()) {
      outcome.emissions.push_back({target, {options_.hub, sequence, {}, acknowledged}});
      found = outcome.emissions.end() - 1;
    }
    found->second.emissions.push_back(std::move(emission));
    outbox_.pop_front();
  }
}

}  // namespace carillon::runtime
