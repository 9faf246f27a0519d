// What etcd holds about one partition: who has copies of it, and who is in charge. Pure values and their JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace carillon::cluster {

using NodeName = std::string;  // `[a-z][a-z0-9_-]{0,31}`, unique in the cluster.
using Epoch = std::uint64_t;   // From 1; raised by every change of primary or in-sync set.

// A node and its disk: a node that comes back with another store is another replica (KIP-903).
struct ReplicaId {
  NodeName node;
  std::string store;

  bool operator==(const ReplicaId&) const = default;
  auto operator<=>(const ReplicaId&) const = default;
};

struct PartitionRecord {
  Epoch epoch = 0;
  ReplicaId primary;               // One of `in_sync`.
  std::vector<ReplicaId> in_sync;  // They have every committed entry on disk. In the order in which they came in.
  std::vector<NodeName> replicas;  // Where placement wants copies. Whoever is in sync and not named here is to leave.
  Epoch recovered =
      0;  // In which somebody last named an older copy, and gave up what others had beyond it; 0 for never.

  bool is_in_sync(const ReplicaId& replica) const;
  bool is_wanted(const NodeName& node) const;

  bool operator==(const PartitionRecord&) const = default;
};

std::string encode(const PartitionRecord& record);
// MALFORMED with what is wrong, also when the primary is not in sync or somebody is named twice.
Result<PartitionRecord> decode_partition_record(std::string_view json);

// What a node says of itself, for as long as its lease lasts.
struct Member {
  NodeName node;
  std::string store;  // Its store's id.
  std::string peer;   // HOST:PORT for links.
  std::string rpc;    // HOST:PORT for clients.
  std::string http;

  bool operator==(const Member&) const = default;
};

std::string encode(const Member& member);
Result<Member> decode_member(std::string_view json);

// Written once, by whoever founds the cluster.
struct ClusterFormat {
  std::uint32_t version = 1;
  std::string cluster_id;  // Random; nodes of another cluster are refused.
  std::uint16_t partitions = 0;
  std::uint16_t replicas = 3;
  std::uint16_t min_in_sync = 2;

  bool operator==(const ClusterFormat&) const = default;
};

std::string encode(const ClusterFormat& format);
Result<ClusterFormat> decode_cluster_format(std::string_view json);

}  // namespace carillon::cluster
