// A link: the ordered, credit-controlled channel to one other node, over CAF's middleman, one string a frame.
//
// The node whose name comes first dials. They make sure of each other (cluster/handshake.h), then exchange frames of parcels.
// A link never repeats what was lost with a connection: replicas, hubs, clients and followers each begin again by
// themselves, as they must after a failover anyway; all that they need is to be told (LinkLost, LinkUp).
//
// Memory is bounded: at most `credit_bytes` are under way, at most `queue_bytes_max` wait; deliveries that find more than
// `deliveries_bytes_max` waiting are replaced by the news that there is something to read. A link that is overrun is cut.
#pragma once

#include <caf/all.hpp>

#include <chrono>
#include <deque>
#include <optional>
#include <set>
#include <unordered_map>

#include "actors/cluster_messages.h"
#include "actors/standing.h"
#include "cluster/handshake.h"

namespace carillon::actors {

struct LinkSettings {
  std::chrono::milliseconds silence_max{700};  // Without a frame for so long the other side is given up.
  std::chrono::milliseconds life_sign_every{50};
  std::chrono::milliseconds redial_every{200};
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
};

struct LinkStats {
  NodeName peer;
  bool up = false;
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
};
struct FlushDue {};
struct DialDue {};
struct Dialled {
  std::uint64_t attempt = 0;
  caf::strong_actor_ptr reception;  // Null: nobody answers there.
};

using knock_atom = caf::atom_constant<caf::atom("knock")>;
using frame_atom = caf::atom_constant<caf::atom("frame")>;

struct LinkState {
  std::optional<LinkOptions> options;

  std::optional<cluster::Handshake> handshake;  // Of a meeting that has begun.
  caf::strong_actor_ptr caller;                 // With whom.
  Clock::time_point dialled_at;
  std::uint64_t attempt = 0;
  caf::strong_actor_ptr remote;      // The other link; null while there is none.
  std::set<std::string> complaints;  // Each cause is logged once.

  // Of this meeting.
  std::string meeting;
  std::uint64_t frames_sent = 0, frames_received = 0;
  std::uint64_t bytes_sent = 0, bytes_taken = 0, bytes_taken_by_peer = 0;
  std::uint64_t told_taken = 0;
  Clock::time_point last_sent, last_received;
  std::deque<Parcel> queue;
  std::size_t queue_bytes = 0;
  bool flush_due = false;

  // On behalf of the peer's sessions, at partitions that this node serves.
  struct Seat {
    bool opened = false;
    caf::actor follower;  // Once it follows something.
  };
  std::vector<Serving> serving;                                     // By partition number.
  std::vector<std::unordered_map<runtime::SessionId, Seat>> seats;  // By partition number, by the peer's session.
  struct Way {
    std::uint64_t seen = 0;     // The highest that the peer's publish calls came on.
    std::uint64_t refused = 0;  // Nothing is taken of ways up to here.
  };
  std::vector<Way> ways;     // By partition number; of this meeting.
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
CARILLON_LOCAL_MESSAGE(FlushDue)
CARILLON_LOCAL_MESSAGE(DialDue)
CARILLON_LOCAL_MESSAGE(Dialled)
