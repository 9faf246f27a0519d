// A route: where a partition is, for everybody on this node. One per partition; its address never changes.
//
// Takes what a partition takes, and passes it on: to the partition's actor while this node is its primary, else over the
// link to the node that is. While nobody is, things wait here, in order, for a bounded time. When the way is lost
// everybody is told as if the partition had been loaded anew: publish calls are refused and come again, sessions follow
// again, hubs repeat their emissions; windows and offsets make it once (P2, P4).
#pragma once

#include <caf/all.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <variant>

#include "actors/cluster_messages.h"
#include "actors/standing.h"

namespace carillon::actors {

struct RouteSettings {
  std::chrono::milliseconds patience{1'000};  // How long something waits for a primary: a fail-over and a little.
  std::size_t waiting_max = 65'536;           // Requests that wait; more are refused.
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
  };

  std::optional<RouteOptions> options;
  Partitions routes;
  std::optional<cluster::PartitionRecord> record;
  Serving local;
  std::map<NodeName, caf::actor> links;        // By peer.
  std::map<NodeName, std::uint64_t> meetings;  // By peer; 0 while the link is down.
  NodeName refused_by;  // Said that it is not the primary of this epoch; asked again after a tick.
  bool used = false;    // Something was passed on since the way was last lost.
  std::uint64_t life = 0;

  std::deque<Waiting<Sent>> sends;  // In order.
  std::deque<Waiting<Asked>> asks;
  std::unordered_map<runtime::SessionId, SessionOpened> sessions;
  std::uint64_t questions = 0;
  std::unordered_map<std::uint64_t, std::function<void(decltype(AnswerParcel::what))>> answers;  // By question.
};

caf::behavior route(caf::stateful_actor<RouteState>* self, RouteOptions options);

}  // namespace carillon::actors
