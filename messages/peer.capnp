@0xc3f1d27e5a9b6048;
# What the replicas of a partition say to one another (docs/cluster.md). Links carry these messages in order; what was on
# its way when a link broke is lost, and said again.
# Fields are never renumbered or reused: a retired one is renamed `obsolete…` and stays.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("carillon::peer");

struct ReplicaId {
  # A node and its disk.

  node @0 :Text;
  # The node's name, `[a-z][a-z0-9_-]{0,31}`.

  store @1 :Text;
  # Its store's id: a node with another disk is another replica.
}

struct Entry {
  # One entry of a partition's log. Its index follows from the message that carries it.

  epoch @0 :UInt64;
  # In which it was made.

  writes @1 :Data;
  # The records that it puts and erases, as cluster/entry.h has them.
}

struct Append {
  # From the primary: entries that follow one another, or none as a heartbeat.

  previousIndex @0 :UInt64;
  # Of the entry before the first of these; 0 when there is none.

  previousEpoch @1 :UInt64;
  # In which that one was made. A log in which it was not does not take these.

  entries @2 :List(Entry);
  # With the indexes previousIndex + 1, + 2, ….

  commit @3 :UInt64;
  # Up to here everything is committed.

  sentAt @4 :UInt64;
  # The primary's monotonic clock in microseconds, given back by the answer. 0 when it reads nothing, since it has named a successor: it
  # gives back the lease that the receiver granted.

  stuck @5 :Bool;
  # The primary waits for a member of the in-sync set that is gone, and reaches no etcd to have it removed: whoever reaches one should take
  # over. It reads nothing meanwhile.
}

struct AppendAnswer {
  # To the primary, from a replica whose log is a beginning of the primary's.

  durable @0 :UInt64;
  # Up to here its log stands on stable storage.

  received @1 :UInt64;
  # Up to here it has the log, written or not. What follows is wanted.

  leaseFrom @2 :UInt64;
  # The highest `sentAt` that it has received: it grants a lease that the primary counts from there. 0 for none.

  again @3 :Bool;
  # Something is missing behind `received`: what was sent behind it is to be sent again.

  installing @4 :Bool;
  # A copy of the records is not complete: it has entries, but nothing to apply them to.
}

struct AskEpochEnd {
  # To the primary, from a replica whose log may end in another way: where did this epoch end in yours?

  lastEpoch @0 :UInt64;
  # Of the last entry of its log; 0 when it has none.

  lastIndex @1 :UInt64;
  # Of that entry.

  worthless @2 :Bool;
  # Its records are not whole (a copy of them did not end): it needs a copy from the beginning.

  keepsMissingEntries @3 :Bool;
  # It has entries that the primary lacked when it asked before, and takes no copy until a person has given them up.
}

struct EpochEnd {
  # From the primary. The asker drops what is behind `endIndex`, and asks again if its last entry is of another epoch.

  askedEpoch @0 :UInt64;
  # As asked.

  askedIndex @1 :UInt64;
  # As asked.

  epoch @2 :UInt64;
  # The asked one, or the highest below it of which the primary has entries.

  endIndex @3 :UInt64;
  # The index of the last entry of that epoch in the primary's log.

  lastIndex @4 :UInt64;
  # Where the primary's log ends.
}

struct CopyBegin {
  # From the primary: its log no longer reaches back far enough; here comes a copy of the records. Entries follow from
  # `baseIndex` + 1 on while the copy goes on.

  copy @0 :UInt64;
  # Tells this copy from others.

  baseIndex @1 :UInt64;
  # What was applied when the copy began; the entries behind it make it whole.

  baseEpoch @2 :UInt64;
  # Of that entry.
}

struct CopyCredit {
  # To the primary.

  copy @0 :UInt64;
  # As in CopyBegin.

  written @1 :UInt64;
  # So many chunks stand in the store; of the last one, on stable storage.

  chunks @2 :UInt64;
  # How many may be sent in all.
}

struct CopyChunk {
  # From the primary.

  copy @0 :UInt64;
  # As in CopyBegin.

  number @1 :UInt64;
  # From 1, without gaps.

  records @2 :Data;
  # Puts of records, as cluster/entry.h has them.

  last @3 :Bool;
  # With it the copy is complete.

  through @4 :UInt64;
  # Of the last chunk: what was applied when the copy ended. Once the entries up to here are applied, the records are
  # those of one moment.
}

struct Nomination {
  # From whoever knows of it, to the primary that it names: etcd's watch may tell that one later, or not before an outage of
  # etcd is over.

  record @0 :Text;
  # What etcd holds about the partition since, in its JSON.

  revision @1 :UInt64;
  # Of that record in etcd.
}

struct Message {
  partition @0 :UInt16;
  # What this is about.

  from @1 :ReplicaId;
  # Who says it.

  epoch @2 :UInt64;
  # In which the sender lives. One that is lower than the receiver's is refused (P8).

  union {
    append @3 :Append;

    answer @4 :AppendAnswer;

    ask @5 :AskEpochEnd;

    end @6 :EpochEnd;

    copyBegin @7 :CopyBegin;

    copyCredit @8 :CopyCredit;

    copyChunk @9 :CopyChunk;

    refusal @10 :Void;
    # The receiver's last message was of a lower epoch than this one.

    failure @11 :Void;
    # To the primary: the sender's disk takes no more writes; it can acknowledge nothing until it starts again.

    nomination @12 :Nomination;
  }
}
