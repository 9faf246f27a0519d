// A link: the ordered, credit-controlled channel to one other node, over CAF's middleman, one string a frame.
//
// The node whose name comes first dials. They make sure of each other (cluster/handshake.h), then exchange frames of parcels.
// A link never repeats what was lost with a connection: replicas, hubs, clients and followers each begin again by
// themselves, as they must after a failover anyway; all that they need is to be told (LinkLost, LinkUp).
// Where the direct way is cut, the link is made through a third node that reaches both (relay.h), and directly again as
// soon as that can be.
//
// Memory is bounded: at most `credit_bytes` are under way, at most `queue_bytes_max` wait; deliveries that find more than
// `deliveries_bytes_max` waiting are replaced by the news that there is something to read. A link that is overrun is cut.
#pragma once

#include <kj/io.h>
#include <caf/all.hpp>

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "actors/cluster_messages.h"
#include "actors/dial.h"
#include "actors/standing.h"
#include "cluster/handshake.h"

namespace carillon::actors {

struct LinkSettings {
  // The other side is given up when no frame of it comes for so long, or when it takes in none of what it is sent.
  std::chrono::milliseconds silence_max{700};
  std::chrono::milliseconds life_sign_every{50};
  std::chrono::milliseconds redial_every{200};
  std::chrono::milliseconds try_directly_every{1'000};  // While a third node relays.
  // For so long a primary here may not know whether it still is, before whoever uses it from there is told.
  std::chrono::milliseconds unsure_max{1'000};
  std::size_t credit_bytes = 16u << 20;
  std::size_t frame_bytes = 1u << 20;  // About; a frame ends with the first parcel beyond it.
  std::size_t deliveries_bytes_max = 4u << 20;
  std::size_t queue_bytes_max = 256u << 20;
};

struct LinkOptions {
  cluster::Identity self;
  NodeName peer;
  std::string address;  // HOST:PORT of the peer.
  LinkSettings settings;
  Partitions routes;
  Partitions replicas;
  Standings standings;
  std::shared_ptr<std::atomic<std::uint64_t>> meetings;  // Of all links of this node; numbers them.
  std::function<void(bool up)> changed;                  // Called from the link.
  std::function<void(caf::actor_system&, DialOptions)> dial = dial_aside;
};

struct LinkStats {
  NodeName peer;
  bool up = false;
  NodeName via;         // The node that relays; empty: the link is direct.
  std::string trouble;  // While it is down: what the other side did wrong last, if it is that; a sentence.
  std::uint64_t meetings = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::size_t queued_bytes = 0;
};
struct AskLink {
  std::function<void(LinkStats)> answer;
};
struct PeerMoved {
  std::string address;
};
// From the reception: somebody who calls himself by the peer's name says hello.
struct KnockArrived {
  caf::strong_actor_ptr caller;
  std::string hello;
  NodeName via;  // Who relays it; empty: it comes directly.
};
// To the link to a third node: have it relay `hello` to `target`. One that is down or relayed itself passes this on.
struct OpenRelay {
  NodeName target;
  std::string hello;
  std::uint64_t attempt = 0;
  caf::actor from;                // The link to the target.
  std::deque<caf::actor> others;  // Who could be asked next.
};
struct RelayOpened {  // The answer: the hello is on its way.
  std::uint64_t attempt = 0;
  NodeName via;
};
// To the link to the target of a relay: make it, and pass the hello on.
struct MakeRelay {
  NodeName of;
  caf::strong_actor_ptr caller;
  std::string hello;
};
struct FlushDue {};
struct DialDue {};
using Probe = std::shared_ptr<kj::AutoCloseFd>;
struct Dialled {
  std::uint64_t attempt = 0;
  caf::strong_actor_ptr reception;  // Null: nobody answers there.
  Probe probe;                      // See dial.h.
};

using knock_atom = caf::atom_constant<caf::atom("knock")>;
using frame_atom = caf::atom_constant<caf::atom("frame")>;
using relay_atom =
    caf::atom_constant<caf::atom("relay")>;  // A hello, to whoever is to relay it; with the target's name.
using relayed_atom = caf::atom_constant<caf::atom("relayed")>;  // The same, from there to the target.

struct LinkState {
  std::optional<LinkOptions> options;

  std::optional<cluster::Handshake> handshake;  // Of a meeting that has begun.
  caf::strong_actor_ptr caller;                 // With whom.
  NodeName caller_via;                          // Who relays that meeting.
  Clock::time_point dialled_at;
  std::uint64_t attempt = 0;
  bool dialling = false;             // The answer to the last attempt is still to come.
  Probe probe;                       // Of the last attempt.
  caf::actor_addr reception;         // Of the peer; watched until they meet.
  bool through_others = false;       // The next attempt goes through a third node.
  caf::strong_actor_ptr remote;      // The other link, or the relay to it; null while there is none.
  NodeName via;                      // Who relays; empty: nobody.
  std::set<std::string> complaints;  // Each cause is logged once.

  // Of this meeting.
  std::string meeting;
  std::uint64_t frames_sent = 0, frames_received = 0;
  std::uint64_t bytes_sent = 0, bytes_taken = 0, bytes_taken_by_peer = 0;
  std::uint64_t told_taken = 0;
  Clock::time_point last_sent, last_received;
  Clock::time_point last_taken;  // When the peer was last known to take something in, or to have nothing to.
  std::deque<Parcel> queue;
  std::size_t queue_bytes = 0;
  bool flush_due = false;
  // News of follows that waits there in place of deliveries: what comes for the same follow is added to it.
  using NewsKey = std::tuple<std::uint16_t, runtime::SessionId, std::uint32_t>;  // Partition, session, follow.
  std::map<NewsKey, FollowingParcel*> news;

  // The peer's sessions, as a partition that this node serves knows them.
  struct PeerSessions {
    std::shared_ptr<SessionHost> host;  // Of this meeting; once there are any.
    std::unordered_set<runtime::SessionId> opened;
  };
  std::vector<Serving> serving;             // By partition number.
  std::vector<PeerSessions> peer_sessions;  // By partition number.
  struct Way {
    std::uint64_t seen = 0;                         // The highest that the peer's publish calls came on.
    std::uint64_t refused = 0;                      // Nothing is taken of ways up to here.
    std::optional<Clock::time_point> unsure_since;  // The primary here may not answer.
    bool is_told = false;                           // For so long that the peer was told.
  };
  std::vector<Way> ways;  // By partition number; of this meeting.

  std::map<NodeName, caf::actor> others;  // The links to other nodes.
  std::map<NodeName, caf::actor> relays;  // To this peer, by whose link it is.

  std::uint64_t number = 0;  // Of this meeting; part of the numbers of its sessions here.

  LinkStats stats;
};

caf::behavior link(caf::stateful_actor<LinkState>* self, LinkOptions options);

// Answers knocks at this node's peer port and passes them to the links.
struct ReceptionState {
  std::unordered_map<NodeName, caf::actor> links;
  std::set<std::string> complaints;
};
caf::behavior reception(caf::stateful_actor<ReceptionState>* self);

}  // namespace carillon::actors

CARILLON_LOCAL_MESSAGE(AskLink)
CARILLON_LOCAL_MESSAGE(PeerMoved)
CARILLON_LOCAL_MESSAGE(KnockArrived)
CARILLON_LOCAL_MESSAGE(OpenRelay)
CARILLON_LOCAL_MESSAGE(RelayOpened)
CARILLON_LOCAL_MESSAGE(MakeRelay)
CARILLON_LOCAL_MESSAGE(FlushDue)
CARILLON_LOCAL_MESSAGE(DialDue)
CARILLON_LOCAL_MESSAGE(Dialled)
