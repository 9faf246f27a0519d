// What the connections of one gateway thread share. Everything here belongs to that thread, but for `node`.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>
#include <caf/all.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "access/gatekeeper.h"
#include "access/ip_address.h"
#include "actors/inbox.h"
#include "actors/latency.h"
#include "actors/messages.h"
#include "actors/node_edge.h"
#include "actors/origin.h"
#include "runtime/behaviour.h"
#include "runtime/limits.h"

namespace carillon::actors {

// Who is not limited by their address: this machine, which is where a proxy or a game server may be.
constexpr const char* kLoopback = "127.0.0.0/8, ::1";

// Limits of the gateway with their defaults (P7).
struct EdgeLimits {
  std::size_t connections_max = 16'384;       // Native and HTTP together.
  std::size_t connection_events_max = 8'192;  // Published on one connection and not yet answered.
  std::size_t connection_bytes_max = 8u << 20;
  std::size_t node_events_max = 65'536;  // On all connections together.
  std::size_t node_bytes_max = 64u << 20;
  // Of messages of all kinds and bodies of HTTP requests that are begun and not complete; of one address or subject an eighth.
  std::size_t node_receiving_bytes_max = 64u << 20;
  std::size_t message_bytes_max = 16u << 20;         // One RPC message.
  std::chrono::milliseconds message_within{30'000};  // Until one that has begun is complete; also a WebSocket's.
  std::size_t follows_max = 100'000;                 // In all subscriptions of one native connection.
  std::size_t session_credit_bytes = 1u << 20;       // Sent to a subscriber and not yet taken in.
  std::size_t connection_credit_bytes = 8u << 20;    // The same of all subscriptions of one native connection.
  std::chrono::milliseconds first_call_within{
      10'000};  // A native connection that asks for nothing, or shows no token, is closed.
  std::chrono::milliseconds request_within{10'000};    // The header of an HTTP request, and its body.
  std::chrono::milliseconds handshake_within{10'000};  // Of TLS.
  std::chrono::milliseconds presence_grace{10'000};    // Before somebody whose connection is lost is told to have left.
  std::chrono::milliseconds presence_sign_every{120'000};  // That those who are here still are.
  std::chrono::milliseconds overloaded_retry{20};
  std::chrono::milliseconds unavailable_retry{500};
  std::chrono::milliseconds answer_within{10'000};  // Questions to actors.
  // The same where many are asked at once: what the others know is told without those who do not answer. Less than the five seconds of a scrape.
  std::chrono::milliseconds figures_within{4'000};

  // Of one WebSocket.
  std::size_t socket_message_bytes_max = 1u << 20;
  std::size_t socket_follows_max = 1'000;
  std::size_t socket_credit_bytes = 256u << 10;      // Of what it follows, written and not yet taken in.
  std::size_t socket_answer_bytes_max = 256u << 10;  // With more of them waiting, or so many requests without an
  std::size_t socket_requests_max = 1'024;           // answer, nothing more is read.
  std::chrono::milliseconds socket_ping_every{15'000};
  std::chrono::milliseconds socket_idle_timeout{45'000};

  // Of one address, and of one subject of tokens that do not say `unlimited`, on all connections together.
  access::QuotaLimits per_address{1'024, 10'000, 16u << 20};
  access::QuotaLimits per_subject{64, 1'000, 1u << 20};
  access::IpRanges unlimited_addresses = access::IpRanges::parse(kLoopback).value();
};

// Unix milliseconds.
std::int64_t wall_clock_ms();

class PublishPath;
class Session;
class NodePublisher;
class PresenceReporter;
class SocketConnection;
class Entitlement;
struct ClusterQuestions;

struct EdgeCounters {
  std::uint64_t publish_calls = 0;
  std::uint64_t overloaded = 0;   // Events refused for load.
  std::uint64_t delivered = 0;    // Events handed to subscribers' connections.
  std::uint64_t connections = 0;  // Now.
  std::uint64_t connections_refused = 0;
  std::uint64_t handshakes_failed = 0;  // Of TLS.
  std::uint64_t tokens_refused = 0;     // That were shown and not good.
  std::uint64_t tokens_ended = 0;       // That expired, or whose key went, under a connection.
  struct Limited {                      // What one address, or one subject, was kept from.
    std::uint64_t connections = 0, requests = 0, reads = 0;
  };
  Limited limited_by_address, limited_by_subject;
  LatencyHistogram publish;  // From the call's arrival to its answer.
  LatencyHistogram deliver;  // From commit to the subscriber's connection, of live notifications.

  // Those of another thread.
  void add(const EdgeCounters& other);
};

class Edge {
 public:
  Edge(caf::actor_system& system, Partitions partitions, Catalogue catalogue, runtime::Limits limits,
       EdgeLimits edge_limits, NodeEdge& node, std::shared_ptr<Inbox> inbox, kj::Timer& timer);

  caf::actor_system& system;
  const Partitions partitions;
  const Catalogue catalogue;
  const runtime::Limits limits;
  const EdgeLimits edge_limits;
  NodeEdge& node;  // Shared with the other threads.
  const std::shared_ptr<Inbox> inbox;
  kj::Timer& timer;
  EdgeCounters counters;
  bool leaving = false;                             // It will stop: who has the choice should go elsewhere.
  bool stopping = false;                            // Nothing new is accepted.
  std::vector<std::uint64_t> lives;                 // Of the partitions.
  std::shared_ptr<const ClusterQuestions> cluster;  // Null on a node that is alone, or has not joined yet.

  NodePublisher* own_events = nullptr;   // What the node itself publishes; set before the first connection.
  PresenceReporter* presence = nullptr;  // As well; one for all threads.

  // Who may do what (P9).
  access::Gatekeeper gatekeeper;
  bool figures_are_open = true;  // /metrics and the sentences of health are for everybody.
  struct Complaints {
    std::string keys, certificate;  // Why the newest file is not used; empty: it is.
  } complaints;
  std::optional<std::chrono::sys_seconds>
      certificate_ends_at;  // Of the certificate that is shown; nothing without TLS.
  // The rights of who shows `token`, now. UNAUTHENTICATED.
  Result<access::Rights> admit(std::string_view token);
  // UNAUTHENTICATED when what a token gave has come to its end.
  Result<void> check_still_holds(const access::Rights& rights) const;
  // Ends what was entitled by keys that are gone.
  void replace_gatekeeper(access::Gatekeeper other);
  std::unordered_set<Entitlement*> entitlements;

  runtime::SessionId new_session() { return ++node.last_session; }
  std::uint16_t partition_count() const { return static_cast<std::uint16_t>(partitions->size()); }
  const caf::actor& partition_of(const EntityId& entity) const {
    return (*partitions)[entity.partition_of(partition_count()).value];
  }

  // Answers and batches find their way back by session; a session that is gone is no error.
  const std::shared_ptr<SessionHost> session_host;
  std::unordered_map<runtime::SessionId, PublishPath*> publish_paths;
  std::unordered_map<runtime::SessionId, Session*> sessions;
  Session* session(runtime::SessionId id) const {
    const auto found = sessions.find(id);
    return found == sessions.end() ? nullptr : found->second;
  }

  OriginRules origins;                            // Which pages may connect.
  std::unordered_set<SocketConnection*> sockets;  // All WebSockets.

  // Asks an actor: `send` gets a function that the actor may call, once, on any thread. UNAVAILABLE when it takes longer than `within`.
  template <class T>
  kj::Promise<Result<T>> ask(const std::function<void(std::function<void(Result<T>)>)>& send,
                             std::chrono::milliseconds within);
  template <class T>
  kj::Promise<Result<T>> ask(const std::function<void(std::function<void(Result<T>)>)>& send) {
    return ask(send, edge_limits.answer_within);
  }

  // From a connection that ends: what it published counts as under way until it is answered.
  void leave_behind(std::shared_ptr<PublishPath> path);
  // What a partition says to a publish call.
  void answered(const runtime::Published& answer);
  // A partition was loaded anew: its unanswered calls are void.
  void reloaded(PartitionId partition, std::uint64_t life);

 private:
  std::unordered_map<runtime::SessionId, std::shared_ptr<PublishPath>> left_behind_;
  std::uint64_t last_question_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<void>> questions_;  // Fulfillers, by number.
};

template <class T>
kj::Promise<Result<T>> Edge::ask(const std::function<void(std::function<void(Result<T>)>)>& send,
                                 std::chrono::milliseconds within) {
  using Fulfiller = kj::Own<kj::PromiseFulfiller<Result<T>>>;
  auto promise = kj::newPromiseAndFulfiller<Result<T>>();
  const auto number = ++last_question_;
  questions_.emplace(number, std::make_shared<Fulfiller>(kj::mv(promise.fulfiller)));
  send([this, number, inbox = inbox](Result<T> answer) {
    inbox->push([this, number, answer = std::move(answer)]() mutable {
      const auto found = questions_.find(number);
      if (found == questions_.end()) return;
      (*std::static_pointer_cast<Fulfiller>(found->second))->fulfill(std::move(answer));
      questions_.erase(found);
    });
  });
  return timer.timeoutAfter(within.count() * kj::MILLISECONDS, kj::mv(promise.promise))
      .catch_([this, number](kj::Exception&&) {
        questions_.erase(number);
        return Result<T>(Error{ErrorCode::UNAVAILABLE, "the node did not answer in time; try again", 0});
      });
}

}  // namespace carillon::actors
