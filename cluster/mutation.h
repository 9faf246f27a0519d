// Planted bugs of the protocol, with which the simulator of clusters proves that it would find real ones.
//
// As runtime/mutation.h: in the product `mutated` is false at compile time.
#pragma once

namespace carillon::cluster {

enum class Mutation {
  kNone,
  kCommitByMajority,        // An entry is committed before the whole in-sync set has it.
  kForgetAdded,             // Whoever is being added is not waited for while the swap is under way.
  kIgnoreEpoch,             // Messages of lower epochs are taken for good (P8).
  kTruncateByIndex,         // A log is cut to the length of the primary's, whatever its epochs.
  kReadWithoutLease,        // A primary answers reads without a lease of its backups.
  kIgnoreStore,             // A node with another disk counts as the one that was in sync.
  kApplyBeforeCommit,       // Entries are applied as soon as they arrive.
  kAcknowledgeBeforeSync,   // A backup answers for what is not on its disk yet.
  kNominateOutOfSync,       // Who is not in sync nominates itself.
  kTrustRemoved,            // Who was removed as silent counts as in sync once it answers again.
  kNominateDuringLease,     // The lease that was given is not waited for.
  kCopyWithoutReplay,       // After a copy the entries that were made meanwhile are taken for applied.
  kForgetInstalling,        // A copy that did not end is not remembered over a crash.
  kCommitInherited,         // A new primary takes what it inherited for committed.
  kTakeLostForWon,          // A swap that was lost is taken for won.
  kBeginTwice,              // A primary goes on in an epoch that it began before a crash.
  kReadyTooEarly,           // A new primary serves before what it inherited is committed and applied.
  kSendBeforeBegin,         // Entries leave before the epoch's beginning is on disk.
  kFailedDiskAcknowledges,  // A backup whose disk has failed goes on answering.
  kReadDuringHandOver,      // A primary that has named its successor answers reads.
  kReadOnReleasedLease,     // A primary that gave its leases back reads on them when its hand-over has failed.
  kTrustUnsynced,      // What was written without a sync is taken to outlive a power cut if what came after it does.
  kSkipPreviousCheck,  // Entries are taken although the one before them differs or is missing.
};

#ifdef CARILLON_MUTATIONS
inline Mutation planted_mutation = Mutation::kNone;
inline bool mutated(Mutation mutation) { return planted_mutation == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace carillon::cluster
