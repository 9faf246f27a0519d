// What etcd holds of our cluster, folded from range answers and watch changes, and what each of them changed.
//
// Pure. Changes may come twice, or later than what is known of their key (a swap of our own is known before the watch
// tells of it): older ones change nothing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/etcd_values.h"
#include "cluster/partition_record.h"
#include "messages/entity_id.h"

namespace carillon::cluster {

// The names of a cluster's keys.
class ClusterKeys {
 public:
  explicit ClusterKeys(std::string_view cluster) : prefix_("/carillon/" + std::string(cluster) + "/") {}

  const std::string& prefix() const { return prefix_; }
  std::string format() const { return prefix_ + "format"; }
  std::string controller() const { return prefix_ + "controller"; }
  std::string member(std::string_view node) const { return (prefix_ + "members/").append(node); }
  std::string draining(std::string_view node) const { return (prefix_ + "draining/").append(node); }
  std::string partition(PartitionId partition) const;

 private:
  std::string prefix_;
};

template <class T>
struct Versioned {
  T value;
  Revision revision = 0;  // What a swap of it must expect.
  LeaseId lease = 0;

  bool operator==(const Versioned&) const = default;
};

// What a draining node is to give up. The mark's value: empty or "all", or "primaries".
enum class Drain {
  kAll,        // Everything, as far as other nodes can hold it: for leaving.
  kPrimaries,  // Only what it is the primary of: for a restart.
};

// What one batch changed; names and numbers, each once.
struct ClusterChanges {
  bool format = false;
  bool controller = false;
  std::set<NodeName> members;   // Came, went, or have another store or address.
  std::set<NodeName> draining;  // Marked or unmarked.
  std::set<PartitionId> partitions;

  bool empty() const { return !format && !controller && members.empty() && draining.empty() && partitions.empty(); }
};

class ClusterView {
 public:
  explicit ClusterView(std::string_view cluster) : keys_(cluster) {}

  ClusterChanges apply(const WatchBatch& batch);
  // A write of our own that was done, or what stood in its way: known at once.
  ClusterChanges apply(const EtcdEntry& entry);

  const ClusterKeys& keys() const { return keys_; }
  // Everything up to here is known; 0 before the first batch.
  Revision revision() const { return revision_; }

  const std::optional<Versioned<ClusterFormat>>& format() const { return format_; }
  const std::map<NodeName, Versioned<Member>>& members() const { return members_; }  // Whose lease lasts.
  const std::map<PartitionId, Versioned<PartitionRecord>>& partitions() const { return partitions_; }
  const std::optional<Versioned<NodeName>>& controller() const { return controller_; }
  const std::map<NodeName, Versioned<Drain>>& draining() const { return draining_; }
  // Keys whose value cannot be read, and why. What was known of such a key before still stands.
  const std::map<std::string, std::string>& unreadable() const { return unreadable_; }

  const Versioned<PartitionRecord>* find(PartitionId partition) const;
  const Member* find_member(const NodeName& node) const;
  // Is that very replica's node a living member, with that store?
  bool is_present(const ReplicaId& replica) const;

 private:
  // This one, knowing nothing.
  ClusterView forgotten(ClusterChanges& changes) const;
  void put(const EtcdEntry& entry, ClusterChanges& changes);
  void erase(const std::string& key, Revision at, ClusterChanges& changes);

  ClusterKeys keys_;
  Revision revision_ = 0;
  std::optional<Versioned<ClusterFormat>> format_;
  std::map<NodeName, Versioned<Member>> members_;
  std::map<PartitionId, Versioned<PartitionRecord>> partitions_;
  std::optional<Versioned<NodeName>> controller_;
  std::map<NodeName, Versioned<Drain>> draining_;
  std::map<std::string, std::string> unreadable_;
};

}  // namespace carillon::cluster
