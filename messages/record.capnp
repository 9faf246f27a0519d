@0x9e3b5f6c1d7a4f03;
# What LevelDB values hold, but for mailbox records (runtime/mailbox_record.h). Keys are in runtime/key.h.
# Fields are never renumbered or reused: a retired one is renamed `obsolete…` and stays.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("carillon::record");

struct Window {
  # What a partition has seen of one producer (P2).

  highest @0 :UInt64;
  # The highest sequence seen.

  seenBelow @1 :Data;
  # Bit i of byte i / 8: was `highest - 1 - i` seen? Empty when there are no gaps.

  movedAtMs @2 :Int64;
  # When it last moved; a client's window is forgotten after the deduplication horizon.
}

struct MovedWindow {
  # A window as one batch left it.

  producer @0 :Text;
  # ProducerId as stored.

  window @1 :Window;
  # The whole window.
}

struct MovedWindows {
  # The windows that one batch moved. They stand here until a later batch saves each of them under its own key: one
  # record a batch instead of one for each producer in it.

  windows @0 :List(MovedWindow);
  # In no particular order, each producer once.
}

struct EmissionCounter {
  # How many emissions a hub has numbered for one partition.

  partition @0 :UInt16;
  # The target.

  sequence @1 :UInt64;
  # The last number given.
}

struct Snapshot {
  # A hub's state after the event at `offset`, all emissions up to there acknowledged.

  offset @0 :UInt64;
  # The last event that is folded in.

  behaviourVersion @1 :UInt32;
  # Whose state this is; another version rebuilds from history, as long as all of it is there.

  state @2 :Text;
  # JSON.

  emissions @3 :List(EmissionCounter);
  # Counters after that event, for partitions with at least one emission.
}

struct Cursor {
  # How far a hub was known to be done, written now and then: its emissions up to here need not be sent again.

  offset @0 :UInt64;
  # Folded, and all emissions acknowledged.
}

struct DeadLetter {
  # An event that its hub skips for ever. The key holds entity and offset; the event stands in the mailbox. Goes when it is settled
  # and retention has cut the mailbox behind it.

  reason @0 :Text;
  # What the handler said at the last attempt.

  attempts @1 :UInt32;
  # How often it was tried.

  settled @2 :Bool;
  # True once an operator has redriven or discarded it: no longer shown, still skipped by every replay (P5).

  event @3 :Data;
  # A mailbox record with this one event, since retention has cut the mailbox behind it. Empty as long as it stands there.
}

struct Reminder {
  # An event that is not due yet. The key holds when it is.

  entity @0 :Text;
  # Which gets it then.

  event @1 :Data;
  # A mailbox record with this one event.
}

struct LogEntry {
  # One entry of a partition's replicated log, under the key with its index.

  epoch @0 :UInt64;
  # In which it was made.

  writes @1 :Data;
  # Of its WriteSet, as cluster/entry.h has them.

  position @2 :UInt64;
  # The bytes of all entries up to this one, since the log of this replica began.
}

struct EpochBegin {
  # Where an epoch begins in a replica's log. The key holds the epoch.

  index @0 :UInt64;
  # Of the first entry that was made in it.
}

struct ReplicaState {
  # How far the log of a replica is applied, and where it begins. One per partition; missing for all zeros.

  applied @0 :UInt64;
  # The effects of all entries up to this one stand in the other records, whatever a power cut may have taken.

  baseIndex @1 :UInt64;
  # Of the entry before the first that the log still holds.

  baseEpoch @2 :UInt64;
  # In which that one was made.

  begun @3 :UInt64;
  # The highest epoch that this replica began as the primary. It never begins one twice: before a crash it may have sent
  # entries that its own disk has not got.

  installing @4 :Bool;
  # A copy of the records is under way: what stands here is worth nothing.

  wholeFrom @5 :UInt64;
  # The records came from a copy that lasted until this entry: before it is applied they are not of one moment.

  basePosition @6 :UInt64;
  # The `position` of the entry at `baseIndex`.

  applying @7 :UInt64;
  # Effects of entries up to this one may stand there; where it is less than `applied`, up to that one.

  keepsMissingEntries @8 :Bool;
  # There are entries here that the primary lacked: nothing takes them away until a person has given them up.
}

struct StoreFormat {
  # One per store, under the key 00 00 "format".

  version @0 :UInt32;
  # Of this layout. Another than the program's own is refused.

  partitions @1 :UInt16;
  # Fixed when the store is created.

  storeId @2 :Text;
  # Random; tells this disk from every other.
}
