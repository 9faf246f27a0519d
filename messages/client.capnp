@0xd2f4c9b7e8a1c602;
# The native interface of a gateway: Cap'n Proto RPC, two parties over TCP; the bootstrap capability is `Gateway`.

using Cxx = import "/capnp/c++.capnp";
using Event = import "event.capnp";
$Cxx.namespace("carillon::wire");

enum ErrorCode {
  # The closed list of refusals. Their stable names are these in snake_case (`payload_too_large`).

  malformed @0;
  # The request breaks a rule of form; the message says which. Correct it: sending it again is of no use.

  unknownKind @1;
  # No behaviour is installed for the entity's kind. Correct the entity or install the behaviour.

  unknownType @2;
  # The kind's behaviour has no handler for this event type. Correct the type.

  payloadTooLarge @3;
  # The payload is over the node's limit. Send less.

  overloaded @4;
  # The node has more on its hands than it may queue. Wait `retryAfterMs`, then begin again at the refused event.

  unavailable @5;
  # The partition cannot commit or read now (disk failed, damaged, stopping). Keep the event and try again later.

  truncated @6;
  # The offset is behind retention. Continue at `firstOffset`.

  beyondEnd @7;
  # The offset lies beyond the end of the stream. Continue at most one past its end, `firstOffset` in the refusal.

  notFound @8;
  # There is no such thing (dead letter). Nothing to repeat.

  limitExceeded @9;
  # One of the documented limits (batch size, subscriptions of a session). Ask for less.

  forbidden @10;
  # The token that was shown does not allow it. Ask for something else, or for more rights.

  unauthenticated @11;
  # No token was shown where one is needed, or it is wrong, expired, or signed by a key that the node does not know. Get
  # a new one and `authenticate` with it.
}

struct Refusal {
  # Why one item of a request was not done.

  index @0 :UInt32;
  # The item's place in the request, from 0.

  code @1 :ErrorCode;
  # What happened, from the closed list.

  message @2 :Text;
  # One sentence for a person: what is wrong and what to do.

  retryAfterMs @3 :UInt32;
  # For `overloaded` and `unavailable`: when to try again.

  firstOffset @4 :UInt64;
  # For `truncated` and `beyondEnd`: the nearest offset that can be asked for.
}

struct Follow {
  # Asks for everything from one offset of one entity on.

  entity @0 :Text;
  # Whose mailbox: a player stream or a hub.

  from @1 :UInt64;
  # The first offset wanted, from 1: one more than the last one that was seen.
}

struct Delivery {
  # Consecutive events of one followed entity.

  follow @0 :UInt32;
  # The place of the entity in the request's list, from 0.

  firstOffset @1 :UInt64;
  # The offset of the first event; the others are one more each.

  events @2 :List(Event.StoredEvent);
  # At least one.
}

interface NotificationSink {
  # Implemented by the client. What the client has not yet taken in is not sent: a slow client is fed from disk later.
  # All subscriptions of a connection share what may be under way (8 MiB): some whose deliveries are not answered may hold up others.

  deliver @0 (deliveries :List(Delivery)) -> stream;
  # Per entity without gap and in order (P3, P4).

  ended @1 (refusal :Refusal);
  # The follow at `refusal.index` gets nothing more, as with `truncated`.
}

interface Subscription {
  # Held by the client as long as it wants deliveries; dropping it ends them.
}

struct Quantiles {
  # A latency distribution in milliseconds since the node started.

  stage @0 :Text;
  # Which part of an event's life.

  count @1 :UInt64;
  # Samples.

  p50Ms @2 :Float64;
  # Half of them were at most this long.

  p99Ms @3 :Float64;
  # 99 % of them were at most this long.

  maxMs @4 :Float64;
  # The longest.
}

struct Counter {
  # One of the node's figures.

  name @0 :Text;
  # As in /metrics, without the prefix.

  value @1 :Float64;
  # Since the node started, or now for gauges.
}

struct Stats {
  # What a node has done since it started.

  version @0 :Text;
  # The program's version.

  uptimeMs @1 :UInt64;
  # Since the node was ready.

  counters @2 :List(Counter);
  # Counts and gauges.

  stages @3 :List(Quantiles);
  # Where the time goes, from publish to delivery.

  busiest @4 :List(BusyEntity);
  # Who takes the most events of the partitions that this node is the primary of; at most 20, the busiest first.
}

struct BusyEntity {
  # One of those that take the most events.

  entity @0 :Text;
  # Whose mailbox it is.

  eventsPerS @1 :Float64;
  # In the last full 10 s; an estimate.
}

struct Inspection {
  # One entity, seen from inside.

  state @0 :Text;
  # The hub's state after the event at `cursor`, as JSON; empty for player streams.

  firstOffset @1 :UInt64;
  # The first offset that retention has kept; `lastOffset` + 1 when the mailbox is empty.

  lastOffset @2 :UInt64;
  # The mailbox's length: the offset of its last event, 0 before the first.

  cursor @3 :UInt64;
  # Everything up to this offset is folded and its emissions are acknowledged. 0 for player streams.

  deadLetters @4 :UInt64;
  # How many events of this entity are in the dead letters.

  behaviourVersion @5 :UInt32;
  # The version of the behaviour that computed the state; 0 for player streams.
}

struct DeadLetter {
  # One event whose handler kept failing (P6).

  entity @0 :Text;
  # Whose mailbox it stands in.

  offset @1 :UInt64;
  # Its offset there.

  reason @2 :Text;
  # What the handler said at the last attempt.

  attempts @3 :UInt32;
  # How often it was tried.

  event @4 :Event.StoredEvent;
  # The event itself.
}

enum Drain {
  # What a node is to give up.

  nothing @0;
  # It takes part as any other.

  everything @1;
  # All it has, as far as other nodes can hold it: for leaving.

  primaries @2;
  # Only what it is the primary of: for a restart.
}

enum Role {
  # What a node is to a partition.

  stranger @0;
  # No copy is wanted there, or it cannot be used.

  joining @1;
  # A copy is wanted; it is not complete yet.

  inSync @2;
  # A backup whose acknowledgement is waited for, and that may become the primary.

  primary @3;
  # It accepts and commits.
}

struct ClusterNode {
  # A member of the cluster, as the asked node sees it.

  name @0 :Text;
  # Unique in the cluster.

  store @1 :Text;
  # The id of its store: with another one it is a stranger.

  peer @2 :Text;
  # HOST:PORT for other nodes.

  rpc @3 :Text;
  # HOST:PORT for clients of this interface.

  http @4 :Text;
  # HOST:PORT for HTTP clients.

  drain @5 :Drain;
  # What it is to give up.

  drained @6 :Bool;
  # It has given up all that it is asked to and can.

  linked @7 :Bool;
  # There is a working link to it from the asked node; true for that node itself.
}

struct ClusterPartition {
  # What etcd holds about a partition.

  number @0 :UInt16;
  # From 0.

  epoch @1 :UInt64;
  # Raised by every change of the primary or of who is in sync.

  primary @2 :Text;
  # The node in charge; one of `inSync`.

  inSync @3 :List(Text);
  # Nodes that have everything that is committed on disk.

  replicas @4 :List(Text);
  # Nodes that are to have a copy.
}

struct BackupState {
  # A backup, as its primary sees it.

  node @0 :Text;
  # Where it is.

  inSync @1 :Bool;
  # Its acknowledgement is waited for.

  linked @2 :Bool;
  # The link to it works.

  copying @3 :Bool;
  # It is so far behind that it is given the partition's records.

  lagEntries @4 :UInt64;
  # How far it is behind the primary's log; all of the log while nothing is known.

  keepsMissingEntries @5 :Bool;
  # It has entries that the primary lacks, and is not brought in sync until a person has given them up.
}

struct ReplicaState {
  # The asked node's own copy of one partition.

  partition @0 :UInt16;
  # Its number.

  role @1 :Role;
  # What this node is to it.

  epoch @2 :UInt64;
  # The highest that this replica has heard of.

  logEnd @3 :UInt64;
  # The index of the last entry in its log.

  commit @4 :UInt64;
  # Up to there it knows everything to be committed.

  applied @5 :UInt64;
  # Up to there everything can be read in its store.

  ready @6 :Bool;
  # Of the primary: it has committed all that it inherited.

  backups @7 :List(BackupState);
  # Of the primary.
}

struct LinkState {
  # The asked node's link to another one.

  node @0 :Text;
  # To whom.

  up @1 :Bool;
  # It works.

  meetings @2 :UInt64;
  # How often it was established; more than one means that it was lost since this node started.

  bytesSent @3 :UInt64;
  bytesReceived @4 :UInt64;
  # Since this node started.

  queuedBytes @5 :UInt64;
  # That wait for the other side to take something in.
}

struct Cluster {
  # What one node knows of its cluster.

  name @0 :Text;
  # As given to its nodes.

  id @1 :Text;
  # Made up when it was founded.

  node @2 :Text;
  # Whom we asked.

  controller @3 :Text;
  # The node that controls placement; empty while there is none.

  etcdReachable @4 :Bool;
  # Did etcd answer this node when it was last asked? If not, members and partitions are as they were then.

  replicas @5 :UInt16;
  # Copies that every partition is to have.

  minInSync @6 :UInt16;
  # With fewer in sync a partition accepts nothing.

  nodes @7 :List(ClusterNode);
  # The members: whoever has a lease in etcd.

  partitions @8 :List(ClusterPartition);
  # By number.

  ownReplicas @9 :List(ReplicaState);
  # Of the asked node, by partition; those of strangers that hold nothing are left out.

  links @10 :List(LinkState);
  # From the asked node to every other one that it has known since it started.

  problems @11 :List(Text);
  # Sentences for a person, as in /healthz; empty when all is well.
}

interface Gateway {
  publish @0 (producer :Text, batch :List(Event.Publication))
      -> (accepted :UInt32, duplicates :UInt32, refusals :List(Refusal));
  # Answers when everything that was accepted is on stable storage (P1). Items without a refusal were accepted now or
  # earlier (`duplicates` counts the latter). After `overloaded`, what follows of this producer on this connection is
  # refused too until all that was refused has come again, in order, so that nothing overtakes (P3). A connection remembers that
  # no longer than it lasts: on the next one send it before anything newer. A call may be made before
  # the one before it was answered; calls of one connection are handled in order. Names of producers are 1 to 256 bytes
  # of UTF-8 without control characters. A batch over the limit is refused item by item with `limitExceeded`; one of more
  # than 32,768 (or than the limit, if that is more) fails the call.

  subscribe @1 (follows :List(Follow), sink :NotificationSink)
      -> (subscription :Subscription, refusals :List(Refusal));
  # Delivers what is stored from the asked offsets on, then what comes, without a seam (P4). One connection may subscribe
  # again, to the same entities as well; each subscription is served on its own. All of one connection's together follow at
  # most 100,000; beyond that the list is refused whole with `limitExceeded`. There is no `subscription` where nothing is
  # followed. The answer keeps its place among the 32,768 calls of a connection that are not finished, for as long as it is held.

  read @2 (entity :Text, from :UInt64, limit :UInt32)
      -> (events :List(Event.StoredEvent), firstOffset :UInt64, lastOffset :UInt64, refusal :Refusal);
  # A page of a mailbox: at most `limit` events (1 to 1,000) and 1 MiB, the first at `firstOffset`; `lastOffset` is the
  # mailbox's last offset now. `refusal` is set when the entity or the offset cannot be served. Of this and all calls below a
  # connection may have 16 without an answer; more are `overloaded`.

  inspect @3 (entity :Text) -> (inspection :Inspection, refusal :Refusal);
  # One entity from inside. For operators.

  stats @4 () -> (stats :Stats, refusal :Refusal);
  # The node's figures. For operators.

  deadLetters @5 (entity :Text)
      -> (deadLetters :List(DeadLetter), more :Bool, refusal :Refusal, absentPartitions :List(UInt16));
  # The dead letters of one entity, or with an empty name of the whole cluster: the first 1,000, or fewer that have
  # 1 MiB together; `more` when there are more. Partitions whose letters are not among them, since they do not answer or cannot
  # be read now, are `absentPartitions`; when that is all of them, a refusal.

  redrive @6 (entity :Text, offset :UInt64) -> (newOffset :UInt64, refusal :Refusal);
  # Appends the dead letter again as a new event, once, and forgets it as a dead letter.

  discard @7 (entity :Text, offset :UInt64) -> (refusal :Refusal);
  # Forgets the dead letter. The event stays in the mailbox, skipped for ever.

  cluster @8 () -> (cluster :Cluster, refusal :Refusal);
  # What this node knows of its cluster. `unavailable` on a node that runs alone, or has not joined yet.

  drain @9 (node :Text, drain :Drain) -> (refusal :Refusal);
  # Asks a node, any of the cluster, to give up what `drain` says, or with `nothing` no longer to do so. Answers when etcd
  # has it; `cluster` tells how far the node has come. `notFound` when no member is called so, except for `nothing`. A node
  # that joins again is no longer asked. For operators.

  authenticate @10 (token :Text) -> (subject :Text, expiresAtMs :Int64, refusal :Refusal);
  # Shows the token that this connection acts by: a JWT of at most 8 KiB (docs/security.md). Once, before anything else at a node
  # that has keys: until then every call is refused as `unauthenticated`, and after some seconds the node closes the
  # connection. Calls need not wait for the answer. When the token expires (Unix milliseconds), or its key is withdrawn, the
  # node closes the connection: come again with a new one. A node without keys takes any token for good, and names no
  # subject.
}
