@0xb1d6a0a1f0c3e501;
# What travels between everybody: an event as it is published, and as it stands in a mailbox.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("carillon::wire");

struct Publication {
  # One event on its way to an entity. Its producer is named once for the batch that carries it.

  entity @0 :Text;
  # The addressee, `kind/key`. The kind is `[a-z][a-z0-9_-]{0,31}`; the key 1 to 256 bytes of UTF-8
  # without control characters.

  type @1 :Text;
  # Names the shape of the payload: `[a-z][a-z0-9_-]{0,63}`.

  payload @2 :Text;
  # A JSON object in UTF-8; at most 64 KiB unless the node is set otherwise.

  sequence @3 :UInt64;
  # From 1, counted by the producer over everything that it sends. With the producer it is the event's identity (P2).

  traceparent @4 :Text;
  # Where it stands in a trace: the field of that name of W3C Trace Context, version 00 or higher. Optional; one that has not
  # that form is ignored. Whether an event is a repetition is judged without it.
}

struct StoredEvent {
  # One accepted event, as followers and readers see it. Its offset follows from its place in the answer.

  type @0 :Text;
  # As published.

  payload @1 :Text;
  # As published.

  producer @2 :Text;
  # Who sent it: `client NAME`, `hub KIND/KEY`, `reminder KIND/KEY` (of that hub), or `node NAME`.

  sequence @3 :UInt64;
  # The producer's number for it.

  acceptedAtMs @4 :Int64;
  # Unix milliseconds at the primary when it was accepted.

  redriveOf @5 :UInt64;
  # The offset of the dead letter that this event repeats; 0 for all others.

  traceparent @6 :Text;
  # As published, in the form of version 00; of what a hub sent, that of the event that it handled. Empty when there is none.
}
