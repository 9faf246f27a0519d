#include "cluster/log.h"

#include <algorithm>
#include <utility>

#include "cluster/log_record.h"
#include "cluster/mutation.h"
#include "runtime/key.h"

namespace carillon::cluster {

using runtime::batch_key;
using runtime::Tag;
using runtime::tag_end;
using runtime::tag_prefix;

namespace {

constexpr std::uint64_t kTrimStep = 256;  // So many entries are dropped at once.

Error damaged(PartitionId partition, const std::string& what) {
  return {ErrorCode::UNAVAILABLE, "the log of partition " + std::to_string(partition.value) + " is damaged: " + what};
}

}  // namespace

// --- Opening.

Log::Log(PartitionId partition, const ReplicaLimits& limits, const runtime::Storage& storage)
    : partition_(partition), limits_(limits), storage_(&storage) {}

Result<Log> Log::open(PartitionId partition, const ReplicaLimits& limits, const runtime::Storage& storage) {
  Log log(partition, limits, storage);
  if (auto loaded = log.load(); !loaded) return loaded.error();
  return log;
}

Result<void> Log::load() {
  const auto stored = storage_->get(tag_prefix(partition_, Tag::kApplied));
  if (!stored) return stored.error();
  if (*stored) {
    const auto state = decode_replica_state(**stored);
    if (!state) return state.error();
    state_ = {state->applied,    state->base_index, state->base_epoch,    state->begun,
              state->installing, state->whole_from, state->base_position, state->keeps_missing_entries};
    shown_ = state->applying;
  }
  end_ = durable_ = applied_ = stable_ = state_.applied;
  end_position_ = state_.base_position;
  if (state_.installing) return {};  // Whatever else is there is worth nothing, and may have holes.
  std::optional<Error> wrong;
  auto scanned =
      storage_->scan(tag_prefix(partition_, Tag::kEpoch), tag_end(partition_, Tag::kEpoch), [&](auto key, auto value) {
        const auto begin = decode_epoch_begin(value);
        if (!begin)
          wrong = begin.error();
        else if (*begin > state_.base_index)  // Else a crash undid its erasing, and not what came after.
          begins_[runtime::batch_of(key)] = *begin;
        return !wrong;
      });
  if (!scanned) return scanned;
  // What is applied is not looked at before somebody wants it; what is not must be there without a hole.
  scanned = storage_->scan(batch_key(partition_, Tag::kLog, state_.applied), tag_end(partition_, Tag::kLog),
                           [&](auto key, auto value) {
                             const auto index = runtime::batch_of(key);
                             const auto record = decode_log_entry(value);
                             if (!record)
                               wrong = record.error();
                             else if (index != state_.applied && index != end_ + 1)
                               wrong = damaged(partition_, "entry " + std::to_string(end_ + 1) + " is missing");
                             else
                               end_position_ = record->position;
                             end_ = index;
                             return !wrong;
                           });
  if (!scanned) return scanned;
  if (wrong) return *wrong;
  durable_ = end_;
  return {};
}

// --- Where it stands.

Epoch Log::epoch_at(Index index) const {
  CHECK(index >= state_.base_index && index <= end_);
  Epoch epoch = state_.base_epoch;
  for (const auto& [begun, begin] : begins_)
    if (begin <= index) epoch = std::max(epoch, begun);
  return epoch;
}

std::optional<Log::EpochEnding> Log::end_of(Epoch epoch) const {
  if (epoch < state_.base_epoch) return std::nullopt;
  EpochEnding ending{state_.base_epoch, begins_.empty() ? end_ : begins_.begin()->second - 1};
  for (auto at = begins_.begin(); at != begins_.end() && at->first <= epoch; ++at) {
    const auto next = std::next(at);
    const Index end = next == begins_.end() ? end_ : next->second - 1;
    if (end >= at->second && end > state_.base_index) ending = {at->first, end};
  }
  return ending;
}

Result<Log::Placed> Log::read_entry(Index index) const {
  const Index cached_from = end_ - cache_.size();
  if (index > cached_from) return Placed(cache_[index - cached_from - 1]);
  const auto stored = storage_->get(batch_key(partition_, Tag::kLog, index));
  if (!stored) return stored.error();
  if (!*stored) return damaged(partition_, "entry " + std::to_string(index) + " is missing");
  auto record = decode_log_entry(**stored);
  if (!record) return record.error();
  return Placed{{record->epoch, std::make_shared<const std::string>(std::move(record->writes))}, record->position};
}

Result<std::vector<Entry>> Log::read(Index from, std::size_t bytes_max) const {
  CHECK(from > state_.base_index);
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  for (auto index = from; index <= end_; ++index) {
    auto placed = read_entry(index);
    if (!placed) return placed.error();
    bytes += placed->entry.size();
    if (!entries.empty() && bytes > bytes_max) break;
    entries.push_back(std::move(placed->entry));
  }
  return entries;
}

// --- Changes.

void Log::stage(std::string_view key, std::string_view value) { staged_.put(key, value); }

// A power cut may take a write without a sync and leave one that came after it (a disk writes its blocks in any order, and LevelDB goes on
// behind a block of zeros). So what is said to be applied is what no crash undoes; the entries behind it are applied again.
void Log::stage_state() {
  const auto applied = mutated(Mutation::kTrustUnsynced) ? state_.applied : stable_;
  stage(tag_prefix(partition_, Tag::kApplied),
        encode(StoredReplicaState{applied, state_.base_index, state_.base_epoch, state_.begun,
                                  state_.installing && !mutated(Mutation::kForgetInstalling), state_.whole_from,
                                  state_.base_position, applying(), state_.keeps_missing_entries}));
}

void Log::append(Entry entry, runtime::WriteSet writes) {
  CHECK(entry.epoch >= end_epoch());
  if (entry.epoch != end_epoch() && !begins_.contains(entry.epoch)) {
    begins_[entry.epoch] = end_ + 1;
    stage(batch_key(partition_, Tag::kEpoch, entry.epoch), encode_epoch_begin(end_ + 1));
  }
  ++end_;
  end_position_ += entry.size();
  stage(batch_key(partition_, Tag::kLog, end_), encode_log_entry(entry.epoch, end_position_, *entry.bytes));
  staged_sync_ = true;
  cache_bytes_ += entry.size();
  cache_.push_back({{std::move(entry), end_position_}, std::move(writes)});
  shrink_cache();
}

void Log::truncate(Index end) {
  CHECK(end >= state_.applied && end <= end_);
  for (auto index = end + 1; index <= end_; ++index) staged_.erase(batch_key(partition_, Tag::kLog, index));
  if (end < end_ && !mutated(Mutation::kTrustUnsynced)) staged_sync_ = true;  // Before others take their place.
  std::erase_if(begins_, [&](const auto& epoch) {
    if (epoch.second <= end) return false;
    staged_.erase(batch_key(partition_, Tag::kEpoch, epoch.first));
    return true;
  });
  if (end == end_) return;
  while (end_ > end) {
    if (!cache_.empty()) {
      cache_bytes_ -= cache_.back().entry.size();
      cache_.pop_back();
    }
    --end_;
  }
  if (!cache_.empty()) {
    end_position_ = cache_.back().position;
  } else if (end_ == state_.base_index) {
    end_position_ = state_.base_position;
  } else if (const auto last = read_entry(end_)) {
    end_position_ = last->position;
  }  // Otherwise the log counts as longer than it is, and is trimmed sooner.
  durable_ = std::min(durable_, end_);
  for (auto& write : under_way_) write.end = std::min(write.end, end_);
}

void Log::begin_epoch(Epoch epoch) {
  CHECK(epoch > state_.begun && epoch > end_epoch());
  // Another epoch that this replica began and made no entry in has come to nothing.
  truncate(end_);
  state_.begun = epoch;
  begins_[epoch] = end_ + 1;
  stage(batch_key(partition_, Tag::kEpoch, epoch), encode_epoch_begin(end_ + 1));
  stage_state();
  staged_sync_ = true;
  begun_in_ = number_ + 1;
}

Result<void> Log::apply(Index until) {
  if (state_.installing || until <= state_.applied) return {};
  CHECK(until <= end_);
  // After a copy there may be much to apply: the journal is not given all of it at once.
  std::size_t bytes = staged_applied_bytes_;
  for (const auto& write : under_way_) bytes += write.applied_bytes;
  const auto bytes_max = bytes + limits_.apply_bytes_max;
  if (bytes >= 2 * limits_.apply_bytes_max) return {};
  const auto bytes_before = bytes;
  while (state_.applied < until && bytes < bytes_max) {
    const auto index = state_.applied + 1;
    const Index cached_from = end_ - cache_.size();
    auto* cached = index > cached_from ? &cache_[index - cached_from - 1] : nullptr;
    if (cached != nullptr && cached->writes) {
      bytes += cached->entry.size();
      staged_.append(std::move(*cached->writes));
      cached->writes.reset();
    } else {
      const auto read = read_entry(index);
      if (!read) return read.error();
      auto writes = decode_writes(partition_, *read->entry.bytes);
      if (!writes) return damaged(partition_, writes.error().message);
      bytes += read->entry.size();
      staged_.append(std::move(*writes));
    }
    ++state_.applied;
  }
  staged_applied_bytes_ += bytes - bytes_before;
  trim();
  stage_state();
  return {};
}

void Log::trim() {
  const auto step = std::clamp<std::uint64_t>(limits_.log_entries_kept / 4, 1, kTrimStep);
  // Not beyond what a restart finds applied: it reads the log from there on.
  while (state_.base_index + step <= stable_) {
    auto next = std::max(state_.base_index + step, trim_at_);
    if (next > stable_) return;
    const bool too_many = end_ - next >= limits_.log_entries_kept;
    const bool may_be_too_long = end_position_ - state_.base_position > limits_.log_bytes_kept;
    if (!too_many && !may_be_too_long) return;
    // Nobody needs an entry of these: one that cannot be read goes with those behind it.
    auto entry = read_entry(next);
    const auto farthest = std::min(stable_, next + kTrimStep);
    while (!entry && next < farthest) entry = read_entry(++next);
    trim_at_ = entry ? 0 : next;  // The next time it goes on from there.
    if (!entry) return;
    if (!too_many && end_position_ - entry->position < limits_.log_bytes_kept) return;
    const auto epoch = epoch_at(next);
    for (auto index = state_.base_index + 1; index <= next; ++index)
      staged_.erase(batch_key(partition_, Tag::kLog, index));
    const Index cached_from = end_ - cache_.size();
    for (auto index = cached_from + 1; index <= next && !cache_.empty(); ++index) {
      cache_bytes_ -= cache_.front().entry.size();
      cache_.pop_front();
    }
    state_.base_index = next;
    state_.base_epoch = epoch;
    state_.base_position = entry->position;
    std::erase_if(begins_, [&](const auto& begin) {
      if (begin.second > next) return false;
      staged_.erase(batch_key(partition_, Tag::kEpoch, begin.first));
      return true;
    });
  }
}

void Log::shrink_cache() {
  while (cache_.size() > 1 && cache_bytes_ > limits_.cache_bytes && end_ - cache_.size() + 1 <= durable_) {
    cache_bytes_ -= cache_.front().entry.size();
    cache_.pop_front();
  }
}

// --- Starting over.

void Log::keep_missing_entries(bool keep) {
  if (std::exchange(state_.keeps_missing_entries, keep) == keep) return;
  stage_state();
  staged_sync_ = true;
}

void Log::begin_install(Index base, Epoch base_epoch) {
  state_ = {base, base, base_epoch, state_.begun, true, 0, 0};
  begins_.clear();
  cache_.clear();
  cache_bytes_ = 0;
  end_ = durable_ = applied_ = stable_ = shown_ = base;
  end_position_ = 0;
  wipe_from_.clear();
  for (auto& write : under_way_) write.end = write.applied = base;
  stage_state();
  staged_sync_ = true;
}

void Log::put_records(const runtime::WriteSet& records) { staged_.append(records); }

void Log::settle() {
  stage_state();
  staged_sync_ = true;
}

void Log::end_install(Index whole_from) {
  CHECK(state_.installing);
  state_.installing = false;
  state_.whole_from = whole_from;
  if (mutated(Mutation::kCopyWithoutReplay)) state_.applied = std::max(state_.applied, std::min(whole_from, end_));
  stage_state();
  staged_sync_ = true;
  whole_in_ = number_ + 1;
}

Result<bool> Log::wipe() {
  CHECK(is_idle());
  if (wipe_from_.empty()) wipe_from_ = runtime::partition_prefix(partition_).text();
  const auto state_key = tag_prefix(partition_, Tag::kApplied).text();
  const auto end = runtime::partition_prefix({static_cast<std::uint16_t>(partition_.value + 1)}).text();
  std::size_t keys = 0;
  const auto scanned = storage_->scan(std::string(wipe_from_), end, [&](auto key, auto) {
    if (key == state_key) return true;
    staged_.erase(key);
    wipe_from_ = key;
    return ++keys < limits_.erase_keys_max;
  });
  if (!scanned) return scanned.error();
  return keys > 0;
}

// --- Writes.

std::optional<Write> Log::take_write() {
  if (staged_.empty()) return std::nullopt;
  Write write{++number_, std::exchange(staged_, {}), std::exchange(staged_sync_, false)};
  under_way_.push_back({number_, end_, state_.applied, std::exchange(staged_applied_bytes_, 0), write.sync});
  return write;
}

void Log::written(std::uint64_t number) {
  CHECK(!under_way_.empty() && under_way_.front().number == number);
  const auto& done = under_way_.front();
  durable_ = std::max(durable_, done.end);
  applied_ = std::max(applied_, done.applied);
  if (done.sync) stable_ = applied_;
  answered_ = number;
  under_way_.pop_front();
  shrink_cache();
}

}  // namespace carillon::cluster
