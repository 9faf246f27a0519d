// One thread of a gateway: its KJ event loop, and the connections that were given to it, which stay with it until they end.
// Belongs to that thread, but for what says otherwise.
#pragma once

#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "actors/edge.h"
#include "actors/gateway.h"
#include "actors/http.h"
#include "actors/node_publisher.h"
#include "actors/node_stats.h"
#include "actors/visit.h"

namespace carillon::actors {

class GatewayLoop final : private kj::TaskSet::ErrorHandler {
 public:
  // Which port a connection came to.
  enum class Port { kNative, kHttp };

  // All of a gateway, this one too; set before the first connection. They live until none of them runs any more.
  using Team = std::vector<GatewayLoop*>;

  // On the thread. `node` and the system outlive it.
  GatewayLoop(caf::actor_system& system, const GatewayOptions& options, NodeEdge& node, std::shared_ptr<Inbox> inbox);

  // Runs until `stop` is called and the clients of WebSockets have been told.
  void run();
  void stop() { stop_now_->fulfill(); }
  // Ends all connections at once, for what they use ends next. Once it has run.
  void end_connections() { tasks_ = nullptr; }
  // Nothing new is published here, and WebSockets are closed; what is under way is answered.
  void wind_down();

  // Serves a connection until it ends. TLS first, once there is a certificate.
  void serve(kj::Own<kj::AsyncIoStream> stream, Port port);
  // The same for a stream of another thread's loop, called there. False when the process may open no more files.
  [[nodiscard]] bool give(kj::Own<kj::AsyncIoStream> stream, Port port);
  // The connections that were given to it and have not ended. Any thread.
  std::size_t load() const { return load_; }

  void join(std::shared_ptr<const Team> team) { team_ = std::move(team); }
  // Here at once; on the other threads of the team before any connection that they are given from here on.
  void tell_all(const std::function<void(GatewayLoop&)>& news);
  void use(std::shared_ptr<kj::TlsContext> certificate) { tls_ = std::move(certificate); }

  Edge& edge() { return *edge_; }
  kj::AsyncIoContext& io() { return io_; }
  // What is to be done on this thread. Any thread.
  void post(std::function<void(GatewayLoop&)> job);

 private:
  void begin(kj::Own<kj::AsyncIoStream> stream, Port port);
  kj::Promise<void> welcome(kj::Own<kj::AsyncIoStream> stream, Port port);
  kj::Promise<void> serve_as(Port port, kj::Own<kj::AsyncIoStream> stream, Visit& visit);
  kj::Promise<void> sockets_closed(Clock::time_point until);
  template <class T>
  kj::Promise<Result<T>> ask(const std::function<void(std::function<void(Result<T>)>)>& send);
  kj::Promise<NodeStats> collect();
  kj::Promise<EdgeCounters> counters_of(GatewayLoop& loop);
  kj::Promise<std::optional<ClusterReport>> cluster_report();
  void taskFailed(kj::Exception&& failed) override;

  std::optional<Edge> edge_;  // Outlives the loop, which keeps calls of native clients until they are answered.
  kj::AsyncIoContext io_;
  caf::actor journal_;
  std::string store_id_;
  NodePublisher own_events_;
  const Clock::time_point started_ = Clock::now();
  NodeStatsSource stats_;
  HttpFront http_;
  std::shared_ptr<kj::TlsContext> tls_;
  std::shared_ptr<const Team> team_;
  std::atomic<std::size_t> load_{0};
  kj::Promise<void> stopped_ = kj::READY_NOW;
  kj::Own<kj::PromiseFulfiller<void>> stop_now_;
  kj::Own<kj::TaskSet> tasks_;  // Connections; ended first.
};

}  // namespace carillon::actors
