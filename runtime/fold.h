// Runs one hub: takes the events of its mailbox into the state, in order, and numbers what it emits (P5).
//
// Pure: the disk is only read, no clock, no threads. Used by one hub actor. Everything that it holds can be computed
// again from the mailbox: opening it anew after any crash leads to the same state and the same emissions with the same
// numbers, and the receiving windows drop what had arrived already (P2).
//
// How it is used: `hand` and `catch_up` say which events there are, `step` does a bounded piece of work, `acknowledged`
// says which emissions are durable. A step that fails ends this fold: its owner opens another one, from disk.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/behaviour.h"
#include "runtime/limits.h"
#include "runtime/mailbox.h"
#include "runtime/record.h"

namespace carillon::runtime {

// One event that a hub sends to an entity. Reminders are numbered together with all others, and come as events of a producer of
// their own (ProducerId::reminder), since they come in the order in which they are due.
struct Emission {
  EntityId target;
  Event event;                     // Producer, sequence and traceparent are set; the receiving partition sets the time.
  std::optional<UnixMs> due = {};  // Of a reminder: the receiving partition keeps it until then.
};

// Consecutive emissions of one hub to one partition; their sequences are `first`, `first` + 1, …
struct HubEmissions {
  EntityId hub;
  Sequence first = 1;
  std::vector<Emission> emissions;  // At least one.
  Sequence acknowledged = 0;        // By the target; it may have lost them since, with all its disks.

  Sequence last() const { return first + emissions.size() - 1; }
};

// Bytes of emissions that folds hold, of all folds that share it. Any thread.
using EmissionBytes = std::atomic<std::size_t>;

class Fold {
 public:
  struct Options {
    EntityId hub;
    std::uint16_t partitions = 1;
    Limits limits;
    std::shared_ptr<EmissionBytes> held_by_all = nullptr;  // Nothing: without a limit.
  };

  // Reads snapshot, cursor and dead letters; the events themselves are read later, by steps. UNAVAILABLE when they cannot be read,
  // or when the behaviour reads neither this snapshot nor, because retention has cut it, the history from its beginning.
  static Result<Fold> open(Options options, const Behaviour& behaviour, const Storage& storage);

  // Everything up to `until` is committed and can be read from disk. Before any `hand` beyond it.
  void catch_up(Offset until);
  // The events that follow all that was handed or named by `catch_up` before. What is handed need not be committed yet.
  void hand(EventSlice events);
  // The target has this hub's emissions up to `upto` on stable storage.
  void acknowledged(PartitionId target, Sequence upto);

  struct Failure {
    Offset offset = 0;
    Error error;
    std::optional<TraceParent> traceparent = {};  // Of the event, for logs.

    // What cannot be read, or is meant for nobody here, is no better the next time.
    bool is_final() const { return error.code == ErrorCode::MALFORMED || error.code == ErrorCode::UNKNOWN_TYPE; }
  };
  struct Outcome {
    std::vector<std::pair<PartitionId, HubEmissions>> emissions;  // To be sent now.
    std::optional<Snapshot> snapshot;                             // To be written when convenient.
    std::optional<Failure> failure;                               // This fold is at its end.
    bool more = false;                                            // Another step has work to do now,
    bool crowded = false;                                         // or later, when there is room for what it emits.
  };
  // Folds at most `events_max` events. UNAVAILABLE when the mailbox cannot be read.
  Result<Outcome> step(std::size_t events_max);

  // Some emissions to `target` were numbered and are not acknowledged.
  bool outstanding(PartitionId target) const;
  // The last event that is folded in.
  Offset folded() const { return folded_; }
  // Everything up to here is folded and all its emissions are acknowledged.
  Offset cursor() const;
  // Nothing to do and nothing outstanding.
  bool idle() const;
  // The state after `folded()`, to be kept when an idle hub is put to rest; nothing when the last one is as good.
  std::optional<Snapshot> final_snapshot();

  const EntityId& hub() const { return options_.hub; }
  std::uint32_t behaviour_version() const { return behaviour_.version(); }
  std::string state_json() const { return state_->encode(); }

 private:
  struct Target {
    Sequence numbered = 0;
    Sequence acknowledged = 0;
    std::size_t bytes = 0;  // Of those that are not acknowledged.
  };
  // What this fold holds of what all do.
  class Held {
   public:
    explicit Held(std::shared_ptr<EmissionBytes> by_all) : by_all_(std::move(by_all)) {}
    Held(Held&& other) noexcept : by_all_(std::move(other.by_all_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Held& operator=(Held&&) = delete;
    ~Held() { add(-bytes_); }
    void add(std::ptrdiff_t bytes) {
      bytes_ += bytes;
      if (by_all_) *by_all_ += static_cast<std::size_t>(bytes);  // Modulo 2^64, as counters wrap.
    }
    bool is_too_much(std::size_t bytes_max) const {
      const auto all = by_all_ ? by_all_->load(std::memory_order_relaxed) : 0;
      return all >= (bytes_ > 0 ? bytes_max : 2 * bytes_max);
    }

   private:
    std::shared_ptr<EmissionBytes> by_all_;
    std::ptrdiff_t bytes_ = 0;
  };
  struct Unsettled {  // Emissions of an event to one target, not all acknowledged.
    Offset offset;
    std::uint16_t target;
    Sequence last;
  };

  Fold(Options options, const Behaviour& behaviour, const Storage& storage);
  Result<void> load();
  Result<void> begin(const std::optional<Snapshot>& snapshot);
  Result<bool> refill();
  std::optional<Failure> fold_one(const Event& event, Offset offset);
  void number(Effects effects, const Event& cause, Offset offset);
  void send_what_may_go(Outcome& outcome);
  void settle();
  bool is_crowded() const { return held_.is_too_much(options_.limits.emission_bytes_max); }
  Snapshot snapshot_now() const;
  PartitionId home() const { return options_.hub.partition_of(options_.partitions); }

  Options options_;
  Behaviour behaviour_;
  const Storage* storage_;
  ProducerId producer_;

  std::unique_ptr<HubState> state_;
  Offset folded_ = 0;
  std::set<Offset> dead_;        // Skipped.
  std::vector<Target> targets_;  // By partition.
  Held held_;

  Offset known_acknowledged_ = 0;  // From the stored cursor: emissions up to here are not sent again.
  // Up to here a rebuild for a new behaviour version keeps the stored counters, and saves nothing.
  Offset counters_from_ = 0;
  Offset on_disk_ = 0;             // May be read up to here.
  Offset named_ = 0;               // The last event that is on disk or handed.
  std::deque<EventSlice> handed_;  // What follows, in memory.
  EventSlice page_;                // What was read and is not folded yet; `page_.events` may be empty.

  std::deque<Emission> outbox_;               // Numbered and not yet sent: a target has too many unacknowledged.
  std::deque<Unsettled> unsettled_;           // In the order of the events; some behind the first may be settled.
  std::size_t unsettled_after_clearing_ = 0;  // How many there were when those were last taken out.
  Offset snapshot_offset_ = 0;                // Of the last snapshot that was given out.
  std::optional<Snapshot> pending_snapshot_;  // Waits until its emissions are acknowledged.
};

}  // namespace carillon::runtime
