// One replica of one partition on one node: the replication protocol of docs/cluster.md.
//
// Pure: inputs are calls with the time of a monotonic clock, outputs are what `take` returns, the disk is only read. One
// owner, one thread. Its owner
//  - hands `Write`s to the journal in the order of their numbers and answers each with `written` or, once, `write_failed`;
//    after a failure no further write is carried out (the store is read-only), and no answer is expected for it;
//  - sends messages over the link to the named node, in order; what it cannot send it drops. Of messages that come in it
//    calls `received` for those of this partition. A link that breaks is told of with `link_lost`, what was on its way is
//    lost; `link_up` when it works again. A node of which neither was said yet is given the time of `suspect_after`;
//  - carries out a `Proposal` as a compare-and-swap in etcd and answers it with `proposal_answered`;
//  - passes on every state of the partition's record that the watch gives, in order. The first one after `open` must come
//    from a linearizable read;
//  - calls `tick` about every 10 ms;
//  - calls `take` after every input (or several) and performs what it gives.
//
// On the primary a runtime::Partition lies above it: see the events. The Partition reads the same storage, where nothing
// stands but what is committed. After `BrokenInvariant` throw the Replica away, with its Partition, and open it anew once
// the writes under way have been answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cluster/etcd_values.h"
#include "cluster/log.h"
#include "cluster/partition_record.h"
#include "cluster/peer_message.h"
#include "cluster/replica_limits.h"
#include "messages/entity_id.h"
#include "messages/result.h"
#include "runtime/storage.h"

namespace carillon::cluster {

using Instant = std::chrono::microseconds;  // On the monotonic clock of this process; its beginning means nothing.

struct Outgoing {
  NodeName to;
  PeerMessage message;
};

// A compare-and-swap: put `record` if the record's revision still is `based_on`.
struct Proposal {
  std::uint64_t number = 0;
  PartitionRecord record;
  Revision based_on = 0;
};

// --- What the owner of a primary has to know, in the order in which it came about.

// This replica is the primary, and everything that it inherited is committed and can be read: open a runtime::Partition
// on the storage (fold_before_commit must be false) and give its WriteSets to `append`.
struct BecamePrimary {
  Epoch epoch = 0;
};
// The oldest WriteSet given to `append` and not yet answered is committed, and storage shows it: call
// Partition::committed. Once for each append.
struct AppendCommitted {
  Index index = 0;  // Its place in the log.
};
// Not the primary any more, or not able to be: drop the Partition. Of what was appended and not answered nobody knows
// whether it will be committed; whoever asked for it asks again.
struct PrimaryLost {};
// The disk refused a write, or what is needed of the log cannot be read: call Partition::commit_failed, if there is one. A primary
// tries to be replaced, and stays primary as far as reading goes until then; a backup leaves. Once the disk is well again, open
// another Replica.
struct DiskFailed {
  Error error;
};
// What `discard` was asked for is done: nothing of the partition is left but that its copy is worth nothing, or who was in sync
// without knowing could lead with it. Throw the Replica away.
struct Discarded {};
// The primary has not got what was applied here, of so many entries in all. If somebody gave those up by naming an older copy, this one
// goes, and a new one is made. Else it is kept and joins nothing, for a person to decide.
struct EntriesMissing {
  Index applied = 0;
  bool kept = false;
};
using ReplicaEvent = std::variant<BecamePrimary, AppendCommitted, PrimaryLost, DiskFailed, Discarded, EntriesMissing>;

struct ReplicaOutputs {
  std::vector<Write> writes;
  std::vector<Outgoing> messages;
  std::optional<Proposal> proposal;  // At most one is unanswered at a time; a new one takes the place of an old one.
  std::vector<ReplicaEvent> events;

  bool empty() const { return writes.empty() && messages.empty() && !proposal && events.empty(); }
};

enum class Role {
  kStranger,  // No copy is wanted here, or nobody has said yet.
  kJoining,   // Wanted, not in sync.
  kInSync,    // A backup whose acknowledgement is waited for, and that may become primary.
  kPrimary,
};
std::string_view name_of(Role role);

class Replica {
 public:
  class State;  // Of the files replica_*.cc alone.

  struct Options {
    PartitionId partition;
    ReplicaId self;
    std::uint16_t min_in_sync = 1;
    ReplicaTimeouts timeouts;
    ReplicaLimits limits;
    std::uint32_t life =
        0;  // Higher with each that is opened in one process: answers to what an earlier one proposed are not its.
  };

  // Reads where the log stands. `storage` outlives the replica. UNAVAILABLE when what is stored is damaged.
  static Result<std::unique_ptr<Replica>> open(Options options, const runtime::Storage& storage, Instant now);
  ~Replica();

  // --- Inputs.

  // Nothing when there is no record (any more). Older revisions than the last are passed over.
  void record_changed(const std::optional<PartitionRecord>& record, Revision revision, Instant now);

  enum class Swap {
    kWon,
    kLost,
    kUnknown,  // No answer: it may or may not have been done, and may yet be.
    kNotSent,  // It is not done, and will not be: no etcd could be reached.
  };
  // `revision` is that of the new record when it was won. An answer to another than the last proposal is passed over.
  void proposal_answered(std::uint64_t number, Swap outcome, Revision revision, Instant now);

  // Between BecamePrimary and PrimaryLost. Answered by AppendCommitted, by PrimaryLost or by DiskFailed.
  void append(runtime::WriteSet writes, Instant now);

  void written(std::uint64_t number, Instant now);
  // Also for what cannot be read.
  void write_failed(const Error& error, Instant now);

  // MALFORMED for a message that no replica sends (nothing else has come of it then): the sender's link is not to be
  // trusted. A message that is old or out of place is passed over and ok.
  Result<void> received(PeerMessage message, Instant now);
  void link_up(const NodeName& node, Instant now);
  void link_lost(const NodeName& node, Instant now);

  void tick(Instant now);

  // Planned: this primary takes no more appends (they wait), has all committed, and names `to` its successor, which is a
  // mere wish, or when nothing is named whoever is in sync, wanted and nearest. UNAVAILABLE when this is not the ready
  // primary, when there is nobody who could follow, or when it is too soon to ask etcd, or to wish, again. Ends in
  // PrimaryLost, or is given up after `hand_over_max` and the replica goes on.
  Result<void> hand_over(const std::optional<ReplicaId>& to, Instant now);

  // Erases all that this replica has, step by step, ending in `Discarded`. Only a stranger does; nor does one that hears of
  // the primary or of a higher epoch, for it may be in sync by a record that it does not know yet. A record that wants the
  // replica again ends it early, and it begins with nothing.
  void discard(Instant now);

  ReplicaOutputs take();

  // --- Questions.

  Role role() const;
  Epoch epoch() const;                       // The highest that it has heard of.
  std::optional<ReplicaId> primary() const;  // Of that epoch, if known.
  const std::optional<PartitionRecord>& record() const;
  const std::optional<Error>& failed() const;  // The disk's answer to a write.

  // The primary, between BecamePrimary and PrimaryLost.
  bool is_ready() const;
  // What is here is worth nothing: a copy has not ended, or was discarded.
  bool is_worthless() const;
  // It joins nothing, since it has what its primary lacks (see EntriesMissing).
  bool keeps_missing_entries() const;
  // The partition's records are whole, unless the store is damaged: what a power cut or a copy may have left out has been applied since.
  bool has_whole_records() const;
  // Ready, not handing over, its disk works, and at least min_in_sync replicas are in sync: publishing may be accepted.
  bool may_publish() const;
  // What storage shows is the newest that anybody was told (docs/cluster.md: leases).
  bool may_read(Instant now) const { return now < readable_until(); }
  // Until when that holds if nothing else comes in: the first lease to end. Instant() when it does not hold at all.
  Instant readable_until() const;

  Index log_end() const;
  Index commit_index() const;
  Index applied_index() const;

  struct BackupStatus {
    ReplicaId id;
    bool in_sync = false;
    bool linked = false;
    bool copying = false;                // The records are being copied.
    bool keeps_missing_entries = false;  // It has what this primary lacks, and takes no copy.
    std::uint64_t lag_entries = 0;       // Behind this primary's log; all of it while nothing is known.
  };
  // Of the primary: everybody else who is in sync or wanted, as far as they have been heard of.
  std::vector<BackupStatus> backups() const;
  // Of the primary: fewer are in sync than are wanted.
  bool is_under_replicated() const;

  struct Counters {
    std::uint64_t entries_appended = 0;  // To this log, own or received.
    std::uint64_t truncations = 0;
    std::uint64_t copies_begun = 0;  // As receiver.
    std::uint64_t copies_sent = 0;   // As primary.
    std::uint64_t removals = 0;      // Of silent backups, won.
    std::uint64_t nominations = 0;   // Won.
    std::uint64_t nominations_lost = 0;
    std::uint64_t hand_overs = 0;  // Won.
    std::uint64_t refused = 0;     // Messages of lower epochs.

    void add(const Counters& others);
  };
  const Counters& counters() const;

 private:
  explicit Replica(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace carillon::cluster
