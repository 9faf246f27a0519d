@0xc7d1f0a94be3528d;
# What travels between two nodes of a cluster: frames of parcels, over CAF as one string a frame. All of it is of one
# release: nodes that speak another version of this protocol refuse each other when they meet.

using Cxx = import "/capnp/c++.capnp";
using Client = import "client.capnp";
using Event = import "event.capnp";
$Cxx.namespace("carillon::link_wire");

struct Knock {
  # How a link begins. The node whose name comes first dials and sends `hello`; each side proves that it knows the
  # cluster's secret by an HMAC-SHA256 over both nonces and its own name, without showing it.

  union {
    hello :group {
      # Dialer to acceptor.
      version @0 :UInt32;  # Of this protocol.
      clusterId @1 :Text;  # Nodes of another cluster are refused.
      node @2 :Text;  # Who dials.
      nonce @3 :Data;  # 16 random bytes; they also name this meeting.
    }
    challenge :group {
      # Acceptor to dialer.
      nonce @4 :Data;  # 16 random bytes.
      proof @5 :Data;  # Of the acceptor; empty without a secret.
    }
    proof @6 :Data;
    # Dialer to acceptor; empty without a secret.

    welcome @7 :Void;
    # Acceptor to dialer: the link is up.

    refused @8 :Text;
    # Either way: why not, for a person.
  }

  meeting @9 :Data;
  # The nonce of the hello that a challenge, a proof or a welcome belongs to; those of an earlier one are passed over.
}

struct Frame {
  # Some parcels, and news of the link itself. A frame without parcels is a sign of life.

  meeting @0 :Data;
  # The dialer's nonce: what belongs to an earlier meeting is dropped.

  number @1 :UInt64;
  # From 1 in each meeting, without gaps: a gap ends the link.

  takenBytes @2 :UInt64;
  # How many bytes of frames the sender has taken in since they met: credit for the other side.

  parcels @3 :List(Parcel);
  # In order.
}

struct Parcel {
  # One message to a partition, or from one.

  partition @0 :UInt16;
  # Whose; for emissions the target, for their acknowledgements the source.

  union {
    replication @1 :Data;
    # A message of peer.capnp.

    publish @2 :Publish;
    # Events of a client.

    published @3 :Published;
    # What became of them.

    follow @4 :Follow;
    # A session wants what is committed in one mailbox from now on.

    following @5 :Following;
    # Up to where the mailbox reaches; also sent in place of deliveries for which the link has no room.

    sessionClosed @6 :UInt64;
    # The session is gone.

    deliveries @7 :Deliveries;
    # What was committed, for one session.

    reloaded @8 :Void;
    # The partition was loaded anew: what it has not answered is void.

    notPrimary @9 :UInt64;
    # The answer to anything that only the primary may take: it is not here. The epoch that the sender knows. Also said
    # unasked, when the sender no longer serves the partition.

    question @10 :Question;
    answer @11 :Answer;

    emissions @12 :Emissions;
    # Of hubs of another partition.

    emissionsAccepted @13 :EmissionsAccepted;
    # They are durable.

    publishRefused @14 :UInt64;
    # The primary takes nothing of this way (see Publish) any more. Nothing else is lost.

    primaryHere @15 :UInt64;
    # The sender serves the partition from now on, in this epoch. Said when it begins to, and of all that it serves when a link is made.

    notSureOfQuestion @16 :UInt64;
    notSureOfFollow @17 :Follow;
    # The primary does not know just now whether it still is: ask again in a moment. The question's number; what was asked.

    unfollow @18 :Follow;
    # The session wants nothing more of what it asked for by `follow`.
  }
}

struct Publish {
  session @0 :UInt64;  # The sender's number for it.
  call @1 :UInt64;  # The session's number for it.
  producer @2 :Text;  # ProducerId as stored.
  items @3 :List(Item);  # In ascending order of `index`.
  way @4 :UInt64;  # From 1.
  # Counted by the sender, per partition. Once anything of a way was refused or lost, nothing that follows on it is taken: it
  # would overtake (P3). The sender refuses to its clients all that is not answered, and begins another way.

  struct Item {
    index @0 :UInt32;  # Its place in the client's request.
    event @1 :Event.Publication;  # As the client sent it.
  }
}

struct Published {
  session @0 :UInt64;
  call @1 :UInt64;
  accepted @2 :UInt32;
  duplicates @3 :UInt32;
  firstIndex @4 :UInt32;  # Of the items that this answers.
  refusals @5 :List(Client.Refusal);
}

struct Follow {
  session @0 :UInt64;
  follow @1 :UInt32;  # The session's number for it.
  entity @2 :Text;
}

struct Following {
  session @0 :UInt64;
  follow @1 :UInt32;
  union {
    extent :group {
      first @2 :UInt64;
      last @3 :UInt64;
    }
    refusal @4 :Client.Refusal;
  }
}

struct Deliveries {
  session @0 :UInt64;
  deliveries @1 :List(Client.Delivery);  # With producers as stored.
}

struct Question {
  number @0 :UInt64;  # Repeated by the answer.
  union {
    readPage :group {
      entity @1 :Text;
      from @2 :UInt64;
      eventsMax @3 :UInt32;
      bytesMax @4 :UInt32;
    }
    inspect @5 :Text;  # An entity's mailbox.
    inspectHub @6 :Text;  # A hub's fold.
    listDeadLetters :group {
      entity @7 :Text;  # Empty: of the whole partition.
      most @8 :UInt32;
    }
    operate :group {
      entity @9 :Text;
      offset @10 :UInt64;
      redrive @11 :Bool;  # Or discard.
    }
  }
}

struct Answer {
  number @0 :UInt64;
  union {
    refusal @1 :Client.Refusal;
    run :group {
      first @2 :UInt64;
      events @3 :List(Event.StoredEvent);  # With producers as stored.
    }
    inspection :group {
      first @4 :UInt64;
      last @5 :UInt64;
      cursor @6 :UInt64;
      deadLetters @7 :UInt64;
    }
    hub :group {
      cursor @8 :UInt64;
      state @9 :Text;
      behaviourVersion @10 :UInt32;
    }
    deadLetters @11 :List(Client.DeadLetter);  # With producers as stored.
    offset @12 :UInt64;
  }
}

struct Emissions {
  from @0 :UInt16;  # The partition of the hubs.
  groups @1 :List(Group);

  struct Group {
    hub @0 :Text;
    first @1 :UInt64;  # The sequence of the first; the others are one more each.
    emissions @2 :List(Event.Publication);
    dues @3 :List(Due);  # Of those that are reminders.
    acknowledged @4 :UInt64;  # By the target, as far as the sender knows: those are not sent again.
  }
}

struct Due {
  place @0 :UInt32;  # Among the emissions of its group.
  atMs @1 :Int64;  # Unix time.
}

struct EmissionsAccepted {
  by @0 :UInt16;  # The target.
  acks @1 :List(Ack);

  struct Ack {
    hub @0 :Text;
    upto @1 :UInt64;
    untaken @2 :Bool;  # What came behind was not taken, and is to be repeated.
  }
}
