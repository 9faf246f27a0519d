// The log of one replica, and how far it is applied: what stands on disk, and what is on its way there.
//
// Pure: the disk is only read; what is to be written is collected, and leaves as one numbered write at a time, which are
// carried out in order. Everything here shows the log as it will be once all those are done; `durable` and `applied` tell
// how far they are. Layout on disk: runtime/key.h and messages/record.capnp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/entry.h"
#include "cluster/replica_limits.h"
#include "runtime/storage.h"

namespace carillon::cluster {

// For the journal. With `sync`, `written` says that it is on stable storage; without, that it can be read.
struct Write {
  std::uint64_t number = 0;  // From 1 without gaps.
  runtime::WriteSet writes;
  bool sync = true;
};

class Log {
 public:
  // Reads where the log stands. UNAVAILABLE when what is stored is damaged or has a hole.
  static Result<Log> open(PartitionId partition, const ReplicaLimits& limits, const runtime::Storage& storage);

  // --- Where it stands.

  Index base() const { return state_.base_index; }  // The entry before the first that is still there.
  Index end() const { return end_; }
  Epoch end_epoch() const { return epoch_at(end_); }
  Epoch epoch_at(Index index) const;  // From base() to end().
  Index durable() const { return durable_; }
  Index applied() const { return applied_; }                           // Storage shows it; after a crash perhaps less.
  Index applying() const { return std::max(state_.applied, shown_); }  // Storage may show it.
  Epoch begun() const { return state_.begun; }                         // The highest epoch begun as primary.
  bool is_begun_durable() const { return begun_in_ <= answered_; }
  bool is_installing() const { return state_.installing; }
  bool is_whole() const { return !state_.installing && whole_in_ <= answered_; }  // No crash undoes it.
  Index whole_from() const { return state_.whole_from; }
  // It has what its primary lacked, and nobody has given that up; so it stays, over restarts as well.
  bool keeps_missing_entries() const { return state_.keeps_missing_entries; }
  // All is applied that storage may have come to show before the last start, perhaps with holes, or in the middle of a copy.
  bool shows_no_holes() const { return !state_.installing && applied_ >= std::max(shown_, state_.whole_from); }
  std::uint64_t next_write() const { return number_ + 1; }  // With which what is collected now will leave.
  bool is_waiting() const { return !under_way_.empty(); }   // For the disk.
  std::uint64_t answered() const { return answered_; }      // The last write that it has done.
  bool is_idle() const { return answered_ == number_ && staged_.empty(); }  // Nothing is on its way.

  struct EpochEnding {
    Epoch epoch = 0;
    Index end = 0;
  };
  // Of the highest epoch, not above `epoch`, of which there are entries: where it ends. Nothing when that lies below the
  // base. {0, 0} when there are none and the log begins at the beginning.
  std::optional<EpochEnding> end_of(Epoch epoch) const;

  // Entries from `from` (above the base) on: at least one, if there is one, and as many more as `bytes_max` allows.
  Result<std::vector<Entry>> read(Index from, std::size_t bytes_max) const;

  // --- Changes.

  // `writes` are those of the entry.
  void append(Entry entry, runtime::WriteSet writes);
  // Drops what is behind `end`, which is not below applying().
  void truncate(Index end);
  // The next entry is the first of `epoch`, which this replica begins as primary.
  void begin_epoch(Epoch epoch);
  // Applies entries up to `until`, as many as one write may hold, and drops what is kept no longer.
  Result<void> apply(Index until);

  void keep_missing_entries(bool keep);
  // The log begins anew behind `base`, and the records are worth nothing until `end_install`. All other records of the
  // partition are to be erased first, with `wipe`.
  void begin_install(Index base, Epoch base_epoch);
  void put_records(const runtime::WriteSet& records);
  // The next write, once it is answered, has everything before it on stable storage. Before end_install().
  void settle();
  void end_install(Index whole_from);
  // Only while is_idle(): erases some records. False when there are none left but the replica's state.
  Result<bool> wipe();

  // --- Writes.

  // The next one, if anything is to be written.
  std::optional<Write> take_write();
  // Numbers are answered in order.
  void written(std::uint64_t number);

 private:
  struct State {
    Index applied = 0;
    Index base_index = 0;
    Epoch base_epoch = 0;
    Epoch begun = 0;
    bool installing = false;
    Index whole_from = 0;
    std::uint64_t base_position = 0;
    bool keeps_missing_entries = false;
  };
  struct Placed {
    Entry entry;
    std::uint64_t position = 0;
  };
  struct Cached : Placed {
    std::optional<runtime::WriteSet> writes;  // Until it is applied.
  };
  struct UnderWay {
    std::uint64_t number = 0;
    Index end = 0;  // Of the log that stands on disk with it.
    Index applied = 0;
    std::size_t applied_bytes = 0;  // Of the entries that it applies.
    bool sync = true;
  };

  Log(PartitionId partition, const ReplicaLimits& limits, const runtime::Storage& storage);
  Result<void> load();
  void stage_state();
  void stage(std::string_view key, std::string_view value);
  Result<Placed> read_entry(Index index) const;
  void trim();
  void shrink_cache();

  PartitionId partition_;
  ReplicaLimits limits_;
  const runtime::Storage* storage_;

  State state_;
  std::map<Epoch, Index> begins_;  // Where epochs begin; of those with an entry behind the base, and the own last one.
  Index trim_at_ = 0;              // Where it has come to behind entries that cannot be read; 0: there are none.
  Index end_ = 0;
  std::uint64_t end_position_ = 0;
  Index durable_ = 0;
  Index applied_ = 0;
  Index stable_ = 0;  // Applied, on stable storage, and with everything before it.
  Index shown_ = 0;   // Before the last start storage may have come to show it.

  std::deque<Cached> cache_;  // The last entries; at least those that cannot be read from disk yet.
  std::size_t cache_bytes_ = 0;

  runtime::WriteSet staged_;
  bool staged_sync_ = false;
  std::size_t staged_applied_bytes_ = 0;  // Of the entries that it applies.
  std::string wipe_from_;                 // What lies before is erased.
  std::deque<UnderWay> under_way_;
  std::uint64_t number_ = 0;    // Of the last write taken.
  std::uint64_t answered_ = 0;  // Of the last one answered.
  std::uint64_t begun_in_ = 0;  // The write with the last `begin_epoch`.
  std::uint64_t whole_in_ = 0;  // The write with the last `end_install`.
};

}  // namespace carillon::cluster
