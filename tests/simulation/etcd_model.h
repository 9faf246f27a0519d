// An etcd as nodes see it: one linear history of partition records with revisions, compare-and-swap, and watches that lag
// but deliver every state in order. Answers may be lost after the swap was done, or before; now and then it is down, or
// not to be reached by one node.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/replica.h"
#include "tests/simulation/inbox.h"

namespace carillon::simulation {

class EtcdModel {
 public:
  using Watcher =
      std::function<void(std::uint16_t partition, const cluster::PartitionRecord& record, cluster::Revision revision)>;
  using Changed = std::function<void(const cluster::PartitionRecord& before, const cluster::PartitionRecord& after)>;
  using Answer = std::function<void(cluster::Replica::Swap outcome, cluster::Revision revision)>;

  // `changed` is told of every swap that was won.
  EtcdModel(World& world, std::vector<cluster::PartitionRecord> records, Changed changed);

  // A node begins to watch: it gets the records as they are at some moment from now on, then every change in order.
  void watch(const std::string& node, Watcher watcher);
  // It died. No watcher or answer of it is called any more.
  void forget(const std::string& node);
  void swap(const std::string& node, std::uint16_t partition, const cluster::Proposal& proposal, Answer answer);

  // What placement does, at once: only `replicas` change.
  void set_replicas(std::uint16_t partition, std::vector<std::string> replicas);

  // Out of reach until then: of everybody, or of one node.
  void down_until(Micros time);
  void cut_until(const std::string& node, Micros time);
  void mend();

  const cluster::PartitionRecord& record(std::uint16_t partition) const { return keys_[partition].record; }

 private:
  struct Key {
    cluster::PartitionRecord record;
    cluster::Revision revision = 1;
  };
  struct Client {
    Watcher watcher;
    std::shared_ptr<Inbox> watch;
    std::shared_ptr<Inbox> answers;
    std::shared_ptr<Micros> cut_until;
    bool watching = false;
  };

  void changed(std::uint16_t partition);
  void begin_watch(const std::string& node);
  bool is_reachable(const Client& client) const;

  World* world_;
  std::vector<Key> keys_;
  Changed won_;
  cluster::Revision revision_ = 1;
  Micros down_until_ = 0;
  std::map<std::string, std::shared_ptr<Client>> clients_;
  std::map<std::string, std::shared_ptr<Micros>> cuts_;
};

}  // namespace carillon::simulation
