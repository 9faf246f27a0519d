// A route: where a partition is, for everybody on this node. One per partition; its address never changes.
//
// Takes what a partition takes, and passes it on: to the partition's actor while this node is its primary, else over the
// link to the node that is. While nobody is, things wait here, in order, for a bounded time; once the primary has been out
// of reach for so long, this node is of no use for the partition and says so at once. When the way is lost
// everybody is told as if the partition had been loaded anew: publish calls are refused and come again, sessions follow
// again, hubs repeat their emissions; windows and offsets make it once (P2, P4). Questions that change nothing are asked
// again here. It looks who has waited too long at each TickDue (pulse.h).
#pragma once

#include <caf/all.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <variant>

#include "actors/cluster_messages.h"
#include "actors/standing.h"

namespace carillon::actors {

struct RouteSettings {
  // How long a primary may be out of reach, and something wait for it: a fail-over and a little.
  std::chrono::milliseconds patience{1'000};
  // Publish calls that wait, questions and follows that do, and questions that another node has not answered: so many of
  // each. More are refused.
  std::size_t waiting_max = 65'536;
  // Emissions that wait. More are dropped, and their hubs repeat them once there is a way.
  std::size_t emission_bytes_max = 16u << 20;
};

struct RouteOptions {
  PartitionId partition;
  NodeName self;
  RouteSettings settings;
  Standings standings;
  // Called when the way was lost, from this actor: publish calls in flight are void.
  std::function<void(PartitionId, std::uint64_t life)> reloaded;
};

struct RouteState {
  using Sent = std::variant<Publish, EmissionsArrived>;
  using Asked = std::variant<FollowEntity, ReadPage, InspectEntity, ListDeadLetters, InspectHub, StartOperation>;
  template <class T>
  struct Waiting {
    T request;
    Clock::time_point since;
    int ways_lost = 0;               // While it was under way.
    std::size_t emission_bytes = 0;  // Of emissions.
  };
  struct Question {
    Asked request;
    int ways_lost = 0;
  };

  std::optional<RouteOptions> options;
  Partitions routes;
  std::optional<cluster::PartitionRecord> record;
  Serving local;
  std::map<NodeName, caf::actor> links;           // By peer.
  std::map<NodeName, std::uint64_t> meetings;     // By peer; 0 while the link is down.
  std::map<NodeName, Clock::time_point> unheard;  // Peers without a link, and since when.
  std::set<NodeName> serving;                     // Peers that say that they serve the partition.
  bool used = false;                              // Something was passed on since the way was last lost.
  std::uint64_t life = 0;
  PartitionStats counted_before;  // By this node's own partition, in terms that are over.

  std::optional<Clock::time_point> away_since;      // There is no primary that answers.
  std::optional<Clock::time_point> not_sure_since;  // The primary has said nothing but that it is not sure.
  Clock::time_point not_sure_at{};                  // When it last did.
  bool given_up = false;                            // All that waited was refused, and what comes is.

  std::deque<Waiting<Sent>> sends;  // In order.
  std::size_t emission_bytes = 0;   // There.
  bool emissions_dropped = false;   // For want of room there.
  std::deque<Waiting<Asked>> asks;
  std::unordered_map<runtime::SessionId, std::shared_ptr<SessionHost>> sessions;
  std::uint64_t questions = 0;
  // Of the primary's node, and not answered yet.
  std::unordered_map<std::uint64_t, Question> questions_asked;  // By number.
  std::set<runtime::Follower> follows_asked;
};

struct AskAgainDue {};

caf::behavior route(caf::stateful_actor<RouteState>* self, RouteOptions options);

}  // namespace carillon::actors

CARILLON_LOCAL_MESSAGE(AskAgainDue)
