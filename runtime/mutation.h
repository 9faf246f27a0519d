// Planted bugs, with which the simulator proves that it would find real ones.
//
// In the product `mutated` is false at compile time, so that no branch of this is left. Only the library behind
// `simulate_mutants` is compiled with CARILLON_MUTATIONS; there one bug at a time is switched on.
#pragma once

namespace carillon::runtime {

enum class Mutation {
  kNone,
  kAcknowledgeBeforeSync,  // The store says "written" before the bytes are on disk.
  kForgetWindow,           // The window is left out of the batch that moved it.
  kSkipMarker,             // A hub with new events is not marked unfinished.
  kRemoveMarkerEarly,      // The marker goes although events are staged.
  kForgetMarkerChange,     // A mailbox may leave the cache while the removal of its marker is under way.
  kSnapshotEarly,          // A snapshot is saved before its emissions are acknowledged.
  kCursorTooFar,           // The cursor covers events whose emissions are not acknowledged.
  kSkipResend,             // Recovery takes everything behind the last snapshot for acknowledged.
  kHandBeforeJournal,      // Hubs get events before their batch is in the journal's queue.
  kJournalOutOfOrder,      // The journal writes what came last first.
  kReadOnlyAcknowledges,   // A store that has failed goes on saying "written".
  kDeadLetterNotAwaited,   // The hub goes on before the decision to skip an event is durable.
  kRedriveTwice,           // A dead letter may be redriven again while the first time is under way.
  kAdmitWithinGaps,        // Below its highest sequence a window with gaps takes everything for new.
  kAcceptGapInEmissions,   // Emissions that follow lost ones are accepted.
  kAnswerDuplicateAtOnce,  // A repeated publish is acknowledged before its original is durable.
  kDeliverBeforeCommit,    // Followers are shown what is not durable.
  kPassOnAnything,         // A subscription passes on events that are not next.
  kOvertakeWaiting,        // What waits for room in a commit is admitted the last first.
  kLetOvertake,            // What follows a refused event is admitted.
  kTrimOneTooMany,         // Retention drops a record that is still wanted.
  kCutBeyondSnapshot,      // Retention cuts a hub's mailbox behind what recovery begins at.
  kSnapshotGoesBack,       // A snapshot takes the place of a later one, behind which the mailbox may be cut.
  kForgetDeadEvent,        // Retention cuts a mailbox and leaves a dead letter without its event.
  kRemindEarly,            // A reminder comes before it is due.
  kRemindTwice,            // A reminder may come again while the end of it is not durable yet.
  kStayStuck,              // A hub does not repeat what a target could not take.
  kOvertakeUnreadable,     // What a producer sends behind an event that met a read error is admitted.
  kForgetReminder,         // Reminders that were set since the partition was opened are not looked for.
  kNothingOutstanding,     // A hub does not repeat what may have been lost on the way.
  kKeepWhatIsOld,          // Retention passes over mailboxes that nothing comes to.
  kKeepWindows,            // Windows are not forgotten.
};

#ifdef CARILLON_MUTATIONS
inline Mutation planted_mutation = Mutation::kNone;
inline bool mutated(Mutation mutation) { return planted_mutation == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace carillon::runtime
