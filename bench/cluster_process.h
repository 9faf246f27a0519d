// A cluster of real processes: an etcd and several nodes, each with its own data directory, for benches and tests to hurt
// and heal.
//
// Used by one thread, which must outlive it: if that thread dies, the kernel kills all of it. Runs on that thread's
// KJ event loop, which it makes unless it is given one; others may use it through session().
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/etcd_process.h"
#include "bench/server_process.h"
#include "clients/cpp/session.h"
#include "cluster/etcd_client.h"
#include "cluster/partition_record.h"
#include "messages/entity_id.h"

namespace carillon::bench {

class ClusterProcess {
 public:
  struct Options {
    std::size_t nodes = 3;
    std::size_t replicas = 3;  // No more than there are nodes at first.
    std::uint16_t partitions = 8;
    std::string parent_directory = ".";  // Where all of it is made, and removed at the end.
    std::vector<std::string> arguments;  // More for the nodes' `serve`.
    std::string program = "/proc/self/exe";
    std::string cluster = "carillon";
    // How to change the way in which a node is started, before it is: by its number.
    std::function<void(std::size_t, ServerProcess::Options&)> adapt;
    std::string etcd_host = "127.0.0.1";
    client::Session* session = nullptr;  // Of this thread, if there is one already.
  };
  using Records = std::map<PartitionId, cluster::PartitionRecord>;
  // A node that was wiped is given all that there is. After 19 minutes of chaos on a slow machine 30 s were not enough.
  static constexpr std::chrono::seconds kInSyncWithin{180};

  explicit ClusterProcess(Options options)
      : options_(std::move(options)),
        own_session_(options_.session == nullptr ? std::make_unique<client::Session>() : nullptr),
        session_(own_session_ ? *own_session_ : *options_.session) {}
  ~ClusterProcess() noexcept;
  ClusterProcess(const ClusterProcess&) = delete;
  ClusterProcess& operator=(const ClusterProcess&) = delete;

  // Everything; returns when all is in sync.
  Result<void> start();

  // Another node, under load if there is any; returns when it is ready, before it has copies of anything.
  Result<void> add_node();

  std::size_t size() const { return nodes_.size(); }
  ServerProcess& node(std::size_t number) { return *nodes_[number]; }
  EtcdProcess& etcd() { return *etcd_; }
  client::Session& session() { return session_; }
  // `ant`, `bee`, `cat`, …
  std::string name(std::size_t number) const;
  // Where clients connect; the same after each start of a node.
  client::Addresses addresses() const;
  // Where its node `number` keeps its data; may be wiped while it does not run.
  const std::string& directory() const { return directory_; }

  // SIGSTOP and SIGCONT. SIGKILL and start are ServerProcess's.
  void freeze(std::size_t number);
  void thaw(std::size_t number);
  // Forgets all that a node had, while it does not run.
  void wipe(std::size_t number);

  // What etcd says of the partitions now.
  Result<Records> records();
  // What nodes say of themselves in etcd now.
  Result<std::vector<cluster::Member>> members();
  // The same said in another's name, for as long as this etcd lasts.
  Result<void> pretend(const cluster::Member& member);
  // The node that is primary of `entity`'s partition; UNAVAILABLE while etcd says nothing.
  Result<std::size_t> primary_of(const EntityId& entity);
  // How many partitions each node is primary of.
  Result<std::vector<std::size_t>> primaries();
  // Until every partition has as many replicas in sync as it shall have, and the primaries are spread evenly.
  Result<void> await_in_sync(std::chrono::milliseconds patience = kInSyncWithin);
  // Until `holds` is true of what etcd says.
  Result<void> await(const std::function<bool(const Records&)>& holds, const std::string& what,
                     std::chrono::milliseconds patience);

 private:
  std::size_t replicas() const { return std::min(options_.nodes, options_.replicas); }
  Result<void> make_directory();
  cluster::EtcdClient& etcd_now();

  Options options_;
  std::string directory_;
  std::unique_ptr<client::Session> own_session_;
  client::Session& session_;
  std::unique_ptr<EtcdProcess> etcd_;
  std::unique_ptr<cluster::EtcdClient> client_;  // Of etcd.
  std::vector<std::unique_ptr<ServerProcess>> nodes_;
};

}  // namespace carillon::bench
