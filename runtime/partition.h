// One partition on one node: the single writer of the mailboxes of its entities.
//
// Pure: inputs are calls, outputs are what `take` returns, the disk is only read. No clock (callers say what time it
// is), no threads; one owner. What it wants written leaves as one WriteSet at a time; the next one is collected while
// that one is on its way (group commit). Nothing is answered, acknowledged or shown to followers before `committed`. What comes
// when that one is full waits, in order, for the one after it.
//
// With `fold_before_commit`, hubs get events as soon as their batch is on its way to the journal. That is sound only while
// all partitions commit through one journal, in order: an emission is then never durable before the event that caused it
// (P5). See docs/decisions.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/behaviour.h"
#include "runtime/busiest.h"
#include "runtime/fold.h"
#include "runtime/go_back_n.h"
#include "runtime/limits.h"
#include "runtime/lru_cache.h"
#include "runtime/mailbox.h"
#include "runtime/mutation.h"
#include "runtime/record.h"
#include "runtime/retention.h"
#include "runtime/storage.h"

namespace carillon::runtime {

// Whoever gets answers and deliveries; the number is its owner's to choose.
using SessionId = std::uint64_t;

struct PublishItem {
  std::uint32_t index = 0;  // Its place in the client's request.
  EntityId entity;          // Of this partition; its kind is known.
  Event event;              // Producer and sequence are set.
};

struct PublishRequest {
  SessionId session = 0;
  std::uint64_t call = 0;
  std::vector<PublishItem> items;  // In ascending order of `index`; at least one.
};

struct ItemRefusal {
  std::uint32_t index = 0;
  Error error;
};

struct Published {
  SessionId session = 0;
  std::uint64_t call = 0;
  std::uint32_t accepted = 0;
  std::uint32_t duplicates = 0;
  std::vector<ItemRefusal> refusals;
  std::uint32_t first_index = 0;  // Of the items that this answers.
};

struct Follower {
  SessionId session = 0;
  std::uint32_t follow = 0;  // The session's number for it.
  auto operator<=>(const Follower&) const = default;
};

struct Delivery {
  std::uint32_t follow = 0;
  EventSlice events;
};

// What a hub reports after a step of its fold.
struct HubReport {
  EntityId hub;
  std::uint64_t incarnation = 0;
  Offset folded = 0;
  Offset cursor = 0;
  std::vector<std::pair<PartitionId, HubEmissions>> emissions;
  std::optional<Snapshot> snapshot;
  std::optional<Fold::Failure> failure;
};

// The emissions of `hub` to this partition are durable up to `upto`.
struct EmissionAck {
  EntityId hub;
  Sequence upto = 0;
  bool untaken = false;  // What came behind was not, since something could not be read or was lost on the way.
};

struct DeadLetterEntry {
  std::size_t bytes() const {
    constexpr std::size_t kBesideText = 128;
    return kBesideText + entity.text().size() + letter.reason.size() + event.type.size() + event.payload.size() +
           event.producer.stored().size();
  }

  EntityId entity;
  Offset offset = 0;
  DeadLetter letter;
  Event event;
};

// Work for the owner, in the order of the members.
struct Outputs {
  std::optional<WriteSet> commit;  // Make it durable, then call `committed` or `commit_failed`. One at a time.

  struct Activation {
    EntityId hub;
    std::uint64_t incarnation;
    bool aside = false;  // It has a long backlog: it should work where it takes nothing from the others.
  };
  std::vector<Activation> activations;  // Start a fold; reports carry the incarnation.

  struct Feed {
    EntityId hub;
    Offset catch_up = 0;             // If not 0: everything up to here is on disk.
    std::vector<EventSlice> events;  // Then these.
  };
  std::vector<Feed> feeds;  // To active hubs.

  std::vector<EntityId> dismissals;                              // Stop these folds.
  std::vector<EntityId> rests;                                   // Others wait: these should rest as soon as they can.
  std::map<std::uint16_t, std::vector<HubEmissions>> emissions;  // To other partitions, or this one.
  std::map<std::uint16_t, std::vector<EmissionAck>> acks;        // To the partitions of the emitting hubs.
  std::vector<Published> published;
  std::unordered_map<SessionId, std::vector<Delivery>> deliveries;

  struct DeadLettered {
    EntityId hub;
    Offset offset = 0;
    std::uint32_t attempts = 0;
    std::optional<TraceParent> traceparent;
    std::optional<Offset> in_place_of{};  // The oldest one, which was discarded.
  };
  std::vector<DeadLettered> dead_lettered;  // For the log.
  std::vector<EntityId> not_installed;  // The first hub of each kind that has events, and no behaviour here. Likewise.

  struct Redriven {
    std::uint64_t call = 0;
    Result<Offset> outcome;
  };
  std::vector<Redriven> redriven;  // Answers to `redrive` and `discard` (offset 0).
};

// Bytes of commits that are in memory still, of all partitions that share it. Any thread.
using CommitBytes = std::atomic<std::size_t>;

class Partition {
 public:
  struct Options {
    PartitionId id;
    std::uint16_t partitions = 1;
    Catalogue catalogue;
    Limits limits;
    RetentionTable retention;
    bool fold_before_commit = true;
    std::uint64_t life = 0;  // Higher with every reload in one process: reports of hubs of a former life are dropped.
    std::shared_ptr<CommitBytes> commits_held = std::make_shared<CommitBytes>(0);
  };
  struct Counters {
    std::uint64_t accepted = 0;  // From clients.
    std::uint64_t duplicates = 0;
    std::uint64_t emissions = 0;  // Accepted from hubs.
    std::uint64_t emission_duplicates = 0;
    std::uint64_t reminders = 0;   // That came due.
    std::uint64_t unreadable = 0;  // How often a mailbox, window or reminder could not be read.
    std::uint64_t refused = 0;
    std::uint64_t dead_letters = 0;
    std::uint64_t dead_letters_dropped = 0;  // Discarded for newer ones.
    std::uint64_t batches = 0;
    std::uint64_t active_hubs = 0;     // Now.
    std::uint64_t backlog_events = 0;  // Now: committed, and not folded by active hubs, as far as they have said.

    // Those of an earlier life, of which nothing is active any more.
    void add(const Counters& past);
  };

  // Reads where the partition stands. UNAVAILABLE when its part of the store is damaged; the message names what.
  static Result<std::unique_ptr<Partition>> open(Options options, const Storage& storage);
  ~Partition();

  // --- Inputs. `now` is wall-clock time; it must not run backwards within one partition.

  void publish(PublishRequest request, UnixMs now);
  // Emissions of hubs of `from`, in order per hub. Never refused for load.
  void emissions_arrived(PartitionId from, std::vector<HubEmissions> emissions, UnixMs now);
  // What a target partition answered to emissions of this partition's hubs. Returns the hubs to be told.
  void report(HubReport report, UnixMs now);
  // A hub has had nothing to do for a while. `snapshot` as the fold gave it.
  void rest(const EntityId& hub, std::uint64_t incarnation, Offset folded, std::optional<Snapshot> snapshot);
  // A fold ended without a report (its actor died).
  void hub_lost(const EntityId& hub, std::uint64_t incarnation, UnixMs now);
  // Emissions of this hub may have been lost on the way (Fold::outstanding says so): it starts anew and repeats them.
  void restart_hub(const EntityId& hub, std::uint64_t incarnation);
  // A target has not taken something of that hub, which therefore starts anew after kRepeatAfterMs; later, each time that this
  // brought nothing.
  void repeat_later(const EntityId& hub, UnixMs now);
  static constexpr UnixMs kRepeatAfterMs = 2'000;

  void committed(UnixMs now);
  void commit_failed(const Error& error);
  // Time passes: reminders and retries that are due, retention, forgotten windows. Call it about every 100 ms.
  void tick(UnixMs now);

  // From now on nothing waits for company: what hubs that are put to rest leave behind, and windows, are written at once. For a
  // drain before a stop: the next node need not fold again what this one has, perhaps with other code.
  void finish();

  // From now on this follower gets what is committed. Returns what is there already; the rest is read with
  // `read_mailbox`.
  Result<Extent> follow(const EntityId& entity, Follower follower);
  void unfollow(const EntityId& entity, Follower follower);
  void unfollow(SessionId session);  // Everything that it follows.

  // Makes sure that the hub's fold is active, so that it can be asked for its state. OVERLOADED when too many are.
  Result<void> wake(const EntityId& hub);

  struct Inspection {
    Extent extent;
    Offset cursor = 0;
    std::uint64_t dead_letters = 0;
  };
  Result<Inspection> inspect(const EntityId& entity);
  // Of one entity, or of all when `entity` is nothing. No more behind the one with which they have so many bytes. An event that cannot
  // be read is told by the letter's reason, and is of type `unknown`.
  static constexpr std::size_t kDeadLetterBytes = 1024 * 1024;
  Result<std::vector<DeadLetterEntry>> dead_letters(const std::optional<EntityId>& entity, std::size_t most) const;
  // The answer comes in `Outputs::redriven` once it is durable.
  void redrive(const EntityId& entity, Offset offset, std::uint64_t call, UnixMs now);
  void discard(const EntityId& entity, Offset offset, std::uint64_t call);

  // --- Outputs since the last call.
  Outputs take();

  PartitionId id() const { return options_.id; }
  const Counters& counters() const { return counters_; }
  const Busiest& busiest() const { return busiest_; }
  std::size_t mailboxes_cached() const { return mailboxes_.size(); }
  std::size_t windows_cached() const { return windows_.size(); }
  // Hubs that get no further, whatever comes for them.
  struct StandingStill {
    std::uint64_t hubs = 0;       // No more than kStandingStillMax are counted.
    std::optional<EntityId> one;  // Of them.
  };
  static constexpr std::size_t kStandingStillMax = 1'024;
  StandingStill not_installed() const;  // They have events, and no behaviour here.
  StandingStill not_computed() const;   // Their fold was lost, or could not begin, and none has got further since.
  // Set after a failed commit: nothing is accepted any more.
  const std::optional<Error>& failed() const { return failed_; }
  // No commit is under way or wanted, and no hub is active; or nothing can be committed any more. After finish(): and all that was
  // to be saved is.
  bool at_rest() const;
  // Active hubs, for a drain before a stop.
  std::vector<EntityId> active_hubs();

 private:
  static constexpr UnixMs kNever = std::numeric_limits<UnixMs>::max();
  static constexpr UnixMs kUnreadableRetryMs = 2'000;
  static constexpr UnixMs kRepeatAfterMostMs = 300'000;
  static constexpr std::size_t kMarkersPerTick = 1'024;
  static constexpr std::size_t kMarkersPerRest = 64;
  static constexpr std::size_t kCutsPerBatch = 1'024;
  static constexpr std::size_t kCutBytesPerBatch = 4 * 1024 * 1024;

  struct Hub {
    std::uint64_t incarnation = 0;
    bool active = false;
    bool lagging = false;  // Reads from disk until it has caught up.
    bool aside = false;    // Has a long backlog, and was activated to work it off aside.
    Offset handed = 0;     // The last event that the fold was told of.
    Offset folded = 0;     // As last reported.
    Offset reached = 0;    // The furthest that a fold of it has got.
    Offset behind = 0;     // Its part of Counters::backlog_events.
    Offset cursor = 0;
    Offset cursor_saved = 0;
    std::optional<Offset> snapshot{};  // The last that was written, or will be; 0 for none, nothing while not known.
    Offset snapshot_durable = 0;       // The last that is durable, and of the installed version.
    Offset failed_at = 0;              // The event that failed last.
    std::uint32_t failures = 0;        // Attempts at it so far.
    bool waits = false;                // For a retry, or for the commit of a dead letter.
    bool repeats = false;              // This fold is to be started anew, for what some target has not taken.
    UnixMs repeated_after = 0;         // The last time.
    std::optional<std::uint64_t> dead_letters{};  // Open ones that are durable, once they were counted.
    Offset dead_letters_from = 0;                 // No open one is before.
    Offset cursor_when_repeated = 0;
  };

  struct Mailbox {
    explicit Mailbox(EntityId entity) : id(std::move(entity)) {}
    bool in_use() const {
      return !staged.empty() || in_flight != nullptr || !followers.empty() || hub.active || hub.waits ||
             (pins > 0 && !mutated(Mutation::kForgetMarkerChange));
    }

    EntityId id;
    Offset last = 0;    // Of what is staged, on its way, or committed.
    Offset sealed = 0;  // Of what is on its way, or committed.
    Offset committed = 0;
    Offset first = 0;                       // The first that retention kept; 0 while not known.
    bool unfinished = false;                // The marker is on disk, or on its way there.
    std::vector<const Event*> staged;       // In the open batch; the last one is at `last`.
    const EventSlice* in_flight = nullptr;  // In the batch at the journal.
    std::uint32_t pins = 0;                 // Changes of its marker or snapshot in batches that are not durable yet.
    const Retention* retention = nullptr;  // Of its kind; nothing when all is kept, or nobody could go on behind a cut.
    std::vector<Follower> followers;
    Hub hub;
  };

  struct WindowSlot {
    bool in_use() const { return dirty || unsaved || saves_under_way > 0; }
    Window window;
    UnixMs moved_at_ms = 0;
    bool dirty = false;                 // Moved in the open batch.
    bool unsaved = false;               // Moved since it was saved under its own key.
    std::uint32_t saves_under_way = 0;  // Batches at the journal that save it.
  };

  // What is collected for one commit, and what is to be said once it is durable. Events stay where they arrived;
  // slices point into them and share the batch.
  struct Batch {
    Batch() = default;
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch() {
      if (held) *held -= held_bytes;
    }
    // As long as it lives.
    void count_in(std::shared_ptr<CommitBytes> all) {
      held = std::move(all);
      *held += held_bytes = staged_bytes;
    }

    bool is_cut_enough(std::size_t more = 0, std::size_t more_bytes = 0) const {
      return cut + more >= cuts_max || cut_bytes + more_bytes >= cut_bytes_max;
    }

    std::deque<std::vector<PublishItem>> publishes;
    std::deque<HubEmissions> emissions;
    std::deque<Event> own_events;  // Redriven ones, and reminders that came due.

    WriteSet writes;  // Markers, snapshots, cursors, dead letters.
    std::vector<Mailbox*> touched;
    std::size_t staged = 0;            // Events.
    std::size_t staged_bytes = 0;      // About; with reminders and snapshots.
    std::size_t snapshot_bytes = 0;    // Of these.
    std::vector<const Event*> events;  // Of all mailboxes, one after the other; filled when the batch is sealed.
    std::vector<std::pair<Mailbox*, EventSlice>> appended;           // Filled when the batch is sealed.
    std::vector<std::pair<const ProducerId*, WindowSlot*>> windows;  // Moved.
    std::vector<WindowSlot*> saved;                                  // Under their own keys.
    // With the items that each answers; they lie in this batch or, where all were repetitions, in the next one.
    std::vector<std::pair<Published, const std::vector<PublishItem>*>> published;
    std::map<std::uint16_t, std::vector<EmissionAck>> acks;
    std::vector<Outputs::Redriven> redriven;
    std::vector<std::pair<EntityId, Offset>> settling;
    UnixMs first_due = kNever;                           // Of the reminders that it stores.
    std::vector<std::string> reminded;                   // Keys of those that it ends.
    std::vector<Mailbox*> pinned;                        // Their markers or snapshots change.
    std::vector<std::pair<EntityId, Offset>> snapshots;  // That it writes, of kinds with retention.
    std::size_t cut = 0;                                 // Mailbox records that retention erases, and their bytes.
    std::size_t cut_bytes = 0;
    std::size_t cuts_max = kCutsPerBatch;  // More when more comes in.
    std::size_t cut_bytes_max = kCutBytesPerBatch;
    std::vector<EntityId> resume;  // Hubs that wait for this commit.
    bool worth_a_commit = false;   // Something in it cannot wait for a later one.
    std::shared_ptr<CommitBytes> held;
    std::size_t held_bytes = 0;
  };

  Partition(Options options, const Storage& storage);
  Result<void> load();
  Result<void> load_moved_windows();

  struct ArrivedEmissions {
    PartitionId from;
    HubEmissions emissions;
  };

  struct RestRequest {
    EntityId hub;
    std::uint64_t incarnation = 0;
    Offset folded = 0;
    std::optional<Snapshot> snapshot;
  };

  bool has_room_for_snapshots() const { return open_->snapshot_bytes <= options_.limits.commit_bytes_max / 4; }
  // While anything waits there is none.
  bool has_room() const { return open_->staged_bytes < options_.limits.commit_bytes_max; }
  void admit(PublishRequest request);
  void admit(ArrivedEmissions arrived);
  void admit_waiting();
  // Whether an event may come now, as far as its producer's earlier ones are concerned that met a read error.
  Result<void> in_turn(const Event& event);
  void unreadable(const Event& event);

  Result<Mailbox*> mailbox(const EntityId& entity);
  Result<WindowSlot*> window(const ProducerId& producer);
  void mark_window(const ProducerId& producer, WindowSlot& slot);
  void write_windows(Batch& batch, WriteSet& writes);
  Offset stage(Mailbox& mailbox, const Event& event);
  void keep(const Emission& reminder);
  void remind(UnixMs now);
  // The batch whose commit makes everything durable that was staged so far; nullptr when all is.
  Batch* last_batch();
  void refuse_all(const PublishRequest& request, const Error& error);

  void feed(Mailbox& mailbox);
  void activate(Mailbox& mailbox);
  bool moves(Mailbox& mailbox);
  bool is_full() const { return counters_.active_hubs >= options_.limits.active_hubs_max; }
  bool is_installed(const EntityId& hub);
  // Looks at `markers` of the hubs that may be waiting, from where it has come to.
  void activate_waiting(std::size_t markers);
  void take_rests();
  void make_room();
  void end_fold(Mailbox& mailbox);
  void count_backlog(Mailbox& mailbox);
  void retry_later(Mailbox& mailbox, UnixMs due);
  void to_dead_letters(Mailbox& mailbox, const Fold::Failure& failure);
  void deliver(const Mailbox& mailbox, const EventSlice& events);
  bool save_snapshot(Mailbox& mailbox, const Snapshot& snapshot);
  bool know_snapshot(Mailbox& mailbox);
  void pin(Mailbox& mailbox);

  static std::size_t bytes_of(const Event& event) {
    constexpr std::size_t kBesideText = 64;
    return kBesideText + event.type.size() + event.payload.size();
  }
  static bool is_hub(const Mailbox& mailbox) { return !mailbox.id.is_player(); }
  Offset visible(const Mailbox& mailbox) const {
    return options_.fold_before_commit ? mailbox.sealed : mailbox.committed;
  }
  void seal();
  const Retention* retention_of(const EntityId& entity) const;
  // Up to where its events are needed no more by whoever recovers it.
  Offset recovered_without(Mailbox& mailbox);
  // How many more events it holds than are to be kept. Of one with retention.
  std::uint64_t surplus(Mailbox& mailbox);
  void trim(Mailbox& mailbox, UnixMs now);
  Result<void> keep_dead_letters(const Mailbox& mailbox, Offset until);
  Result<Event> event_of_dead_letter(const EntityId& entity, Offset offset) const;
  Result<std::uint64_t> count_dead_letters(const EntityId& entity) const;
  Result<std::uint64_t> open_dead_letters(Mailbox& mailbox);
  std::optional<Offset> make_room_for_dead_letter(Mailbox& mailbox);
  void settle_dead_letter(const EntityId& entity, Offset offset, DeadLetter letter);
  void sweep(UnixMs now);
  void sweep_windows(UnixMs now);
  void sweep_mailboxes(UnixMs now);

  Options options_;
  const Storage* storage_;
  Counters counters_;
  Busiest busiest_;
  std::optional<Error> failed_;

  LruCache<EntityId, Mailbox> mailboxes_;
  LruCache<ProducerId, WindowSlot> windows_;
  std::vector<std::pair<ProducerId, WindowSlot*>> unsaved_windows_;
  std::uint64_t windows_saved_at_ = 0;  // The last batch that saved them all.
  UnixMs save_due_ = 0;
  bool finishing_ = false;
  bool save_windows_ = false;  // The next batch does.
  std::unordered_map<SessionId, std::set<EntityId>> followed_;

  std::shared_ptr<Batch> open_;                                         // Collects.
  std::shared_ptr<Batch> in_flight_;                                    // At the journal.
  std::deque<std::variant<PublishRequest, ArrivedEmissions>> waiting_;  // For room in the open one.
  std::map<EntityId, Snapshot> snapshots_left_out_;                     // Of active hubs, for want of room in a commit.
  std::deque<RestRequest> rests_;                                       // That wait for room for snapshots.
  UnixMs now_ = 0;                                                      // As last heard.
  std::uint64_t batch_number_ = 0;                  // Of the last batch that was sealed; contiguous on disk.
  std::set<std::pair<EntityId, Offset>> settling_;  // Dead letters that are being redriven or discarded.
  UnixMs next_due_ = 0;                             // No reminder on disk is due before,
  UnixMs passed_over_ = 0;                          // but for those that could not be read: none of them before this.
  std::set<std::string, std::less<>> reminded_;     // Reminders that have come due and are not gone from the disk yet.

  // Of what met a read error. Nobody is waited for for ever: the older one is let go with time.
  GoBackN order_;
  GoBackN older_order_;
  UnixMs order_ages_at_ = 0;

  std::uint64_t incarnations_ = 0;
  std::size_t hubs_aside_ = 0;                              // Active ones.
  std::set<std::string, std::less<>> kinds_not_installed_;  // That have events.
  std::set<EntityId> not_installed_;
  std::map<EntityId, Offset> not_computed_;  // With how far they had got.
  std::multimap<UnixMs, EntityId> retries_;
  std::multimap<UnixMs, std::pair<EntityId, std::uint64_t>> repeats_;  // With its incarnation.
  bool hubs_wait_ = false;     // Some unfinished hubs are not active for want of room.
  bool search_again_ = false;  // One more round after this one.
  bool room_wanted_ = false;   // By one that is to be active at once.
  std::string wait_scan_;      // Where the search for them goes on.
  UnixMs next_sweep_ = 0;
  std::string sweep_windows_at_;
  std::string sweep_mailboxes_at_;

  Outputs outputs_;
};

}  // namespace carillon::runtime
