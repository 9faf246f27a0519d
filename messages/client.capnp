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
  # Whoever asks is not entitled to it. Show the right credentials, or ask for something else.
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

interface Gateway {
  publish @0 (producer :Text, batch :List(Event.Publication))
      -> (accepted :UInt32, duplicates :UInt32, refusals :List(Refusal));
  # Answers when everything that was accepted is on stable storage (P1). Items without a refusal were accepted now or
  # earlier (`duplicates` counts the latter). After `overloaded`, what follows of this producer on this connection is
  # refused too until the first refused sequence comes again, so that nothing overtakes (P3). A call may be made before
  # the one before it was answered; calls of one connection are handled in order. Names of producers are 1 to 256 bytes
  # of UTF-8 without control characters. A batch over the limit is refused item by item with `limitExceeded`; one of more
  # than 65,536 fails the call.

  subscribe @1 (follows :List(Follow), sink :NotificationSink)
      -> (subscription :Subscription, refusals :List(Refusal));
  # Delivers what is stored from the asked offsets on, then what comes, without a seam (P4). One connection may subscribe
  # again, to the same entities as well; each subscription is served on its own.

  read @2 (entity :Text, from :UInt64, limit :UInt32)
      -> (events :List(Event.StoredEvent), firstOffset :UInt64, lastOffset :UInt64, refusal :Refusal);
  # A page of a mailbox: at most `limit` events (1 to 1,000) and 1 MiB, the first at `firstOffset`; `lastOffset` is the
  # mailbox's last offset now. `refusal` is set when the entity or the offset cannot be served.

  inspect @3 (entity :Text) -> (inspection :Inspection, refusal :Refusal);
  # One entity from inside.

  stats @4 () -> (stats :Stats);
  # The node's figures.

  deadLetters @5 (entity :Text) -> (deadLetters :List(DeadLetter), more :Bool, refusal :Refusal);
  # The dead letters of one entity, or with an empty name of the whole node; the first 1,000, `more` when there are more.

  redrive @6 (entity :Text, offset :UInt64) -> (newOffset :UInt64, refusal :Refusal);
  # Appends the dead letter again as a new event, once, and forgets it as a dead letter.

  discard @7 (entity :Text, offset :UInt64) -> (refusal :Refusal);
  # Forgets the dead letter. The event stays in the mailbox, skipped for ever.
}
