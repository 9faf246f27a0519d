// One node of a cluster: opens the store, starts journal, routes and replicas, meets the other nodes, and takes all down
// again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/coordinator.h"
#include "actors/node.h"
#include "actors/reload_notice.h"
#include "actors/replica.h"
#include "actors/route.h"

namespace carillon::actors {

struct ClusterOptions {
  std::string cluster = "carillon";  // Its name in etcd.
  std::vector<std::string> etcd;     // Endpoints: http://HOST:PORT.
  NodeName node;                     // This node's name.
  std::string peer = "127.0.0.1:0";  // HOST:PORT where other nodes reach this one; port 0 picks a free one.
  std::string advertise;             // HOST:PORT that others are told instead of `peer`; port 0: that of `peer`.
  std::string secret;                // Shared by all nodes; without one `peer` must be on loopback.
  std::uint16_t replicas = 3;        // Of a cluster that this node founds.
  std::uint16_t min_in_sync = 2;
  std::chrono::milliseconds replace_after{60'000};
  LinkSettings links;
  RouteSettings routes;
  cluster::ReplicaTimeouts timeouts;
  cluster::ReplicaLimits replica_limits;
};

// MALFORMED when nobody could reach such a node, or everybody could (beyond loopback without a secret).
Result<void> check(const ClusterOptions& options);

class ClusterNode {
 public:
  // UNAVAILABLE when the store cannot be opened or the peer address not be listened on; MALFORMED is
  // check()'s, or the store's that belongs to no cluster. Waits for an etcd that is away, until `stopped` says otherwise.
  static Result<std::unique_ptr<ClusterNode>> start(NodeOptions node, ClusterOptions options,
                                                    std::function<bool()> stopped);
  // Founds or joins the cluster. `rpc` and `http` are where clients reach this node.
  Result<void> join(const std::string& rpc, const std::string& http);
  // Ends all actors and leaves the cluster. What was acknowledged is on disk in any case.
  ~ClusterNode();

  caf::actor_system& system() { return *system_; }
  const Partitions& partitions() const { return routes_; }  // By partition: routes.
  const Partitions& replicas() const { return replicas_; }
  const caf::actor& journal() const { return journal_; }
  const runtime::StoreFormat& format() const { return store_->format(); }
  const std::string& peer_address() const { return peer_address_; }
  Coordinator& coordinator() { return *coordinator_; }  // After `join`.

  // For the gateway, to be set when it starts.
  const std::shared_ptr<ReloadNotice>& reload_notice() const { return reload_notice_; }

  // Hands all primaries over, as far as somebody can follow. False when that took longer.
  bool drain(std::chrono::milliseconds patience);

 private:
  ClusterNode() = default;

  NodeOptions node_options_;
  ClusterOptions options_;
  std::function<bool()> stopped_;
  std::unique_ptr<class SystemConfig> config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<runtime::Store> store_;
  std::shared_ptr<ReloadNotice> reload_notice_ = std::make_shared<ReloadNotice>();
  std::string cluster_id_;  // That the store belongs to; empty: to none yet.
  std::string peer_address_;
  caf::actor journal_, reception_;
  std::vector<caf::actor> pulses_;
  Standings standings_;
  Partitions routes_, replicas_;
  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace carillon::actors
