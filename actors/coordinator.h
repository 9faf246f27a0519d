// The thread that talks to etcd: a member of the cluster on behalf of its node, and the controller when it is its turn.
//
// Tells routes and replicas what becomes of the partitions' records, keeps a link to every other member, and carries the
// replicas' proposals to etcd. Functions may be called from any thread; callbacks come on the coordinator's own.
#pragma once

#include <caf/actor_system.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "actors/cluster_messages.h"
#include "actors/inbox.h"
#include "actors/link.h"
#include "cluster/cluster_view.h"
#include "cluster/replica.h"

namespace carillon::actors {

struct CoordinatorOptions {
  std::vector<std::string> etcd;  // Endpoints.
  std::string cluster;            // Its name.
  cluster::Member self;
  std::string cluster_id;           // As the node's data remembers it; empty for a node without data.
  cluster::ClusterFormat founding;  // Of a cluster that does not exist yet; partitions as in the store.
  std::chrono::milliseconds replace_after{60'000};
  // Asked now and then while etcd is not there yet: whether to give up.
  std::function<bool()> stopped = [] { return false; };
};

// What the links are made of.
struct LinkSetting {
  std::string secret;
  LinkSettings settings;
};

// What one node knows of its cluster.
struct ClusterDescription {
  struct Node {
    cluster::Member member;
    std::optional<cluster::Drain> draining;
    bool drained = false;  // It has given up what it is asked to, as far as it can.
    bool linked = false;   // From here; true for this node itself.
  };
  struct Partition {
    PartitionId partition;
    cluster::PartitionRecord record;
  };
  std::string cluster, cluster_id, self, controller;
  std::uint16_t replicas = 0, min_in_sync = 0;
  bool etcd_reachable = false;
  std::uint64_t registrations = 0;      // Of this node, since it started.
  std::chrono::milliseconds absent{0};  // Before the last of these: since etcd had confirmed the one before.
  std::vector<Node> nodes;
  std::vector<Partition> partitions;
  std::vector<LinkStats> links;  // To every other node that was a member since this one started.
  std::vector<std::string> problems;
};

class Coordinator {
 public:
  // Founds or joins the cluster; waits for an etcd that is away. Refusals are those of cluster::Membership::join.
  static Result<std::unique_ptr<Coordinator>> join(CoordinatorOptions options);
  // Leaves: gives the lease back.
  ~Coordinator();

  const cluster::ClusterFormat& format() const { return format_; }

  // From now on these are told of everything, beginning with all there is.
  void attach(caf::actor_system& system, Partitions routes, Partitions replicas, caf::actor reception,
              Standings standings, LinkSetting links);

  // No more links, no more steps; what is asked is still answered.
  void stop_links();

  // For the replicas, which may outlive the coordinator: then it does nothing.
  std::function<void(PartitionId partition, cluster::Proposal proposal)> proposing() const;
  // NOT_FOUND when a node that is to be marked is no member; UNAVAILABLE when etcd could not be reached.
  void set_draining(NodeName node, std::optional<cluster::Drain> drain, std::function<void(Result<void>)> answer);
  void describe(std::function<void(ClusterDescription)> answer);
  // All primaries of this node are handed over, as far as there is anybody who could follow. Calls `done` when none is
  // left, again and again false until then, about every 50 ms.
  void hand_over_all(std::function<void(bool done)> progress);
  // Erases this node's own mark, which was for a restart that is over now; tries until that is done.
  void unmark_self();

 private:
  struct Loop;
  Coordinator() = default;

  std::shared_ptr<Inbox> inbox_;
  Loop* loop_ = nullptr;  // Lives on the thread.
  std::thread thread_;
  cluster::ClusterFormat format_;
};

// The format of a cluster that may exist already; nothing if it does not. Waits at most `patience` for etcd.
Result<std::optional<cluster::ClusterFormat>> read_cluster_format(const std::vector<std::string>& etcd,
                                                                  const std::string& cluster,
                                                                  std::chrono::milliseconds patience);

}  // namespace carillon::actors
