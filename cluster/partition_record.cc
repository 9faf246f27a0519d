#include "cluster/partition_record.h"

#include <algorithm>
#include <optional>
#include <set>

#include "runtime/json.h"

namespace carillon::cluster {
namespace {

Error malformed(const std::string& what) { return {ErrorCode::MALFORMED, what}; }

void write(JsonWriter& json, const ReplicaId& replica) {
  json.begin_object().field("node", replica.node).field("store", replica.store).end_object();
}

std::optional<std::string> text_of(const JsonValue& object, std::string_view name) {
  const auto member = object.find(name);
  const auto text = member ? member->as_string() : std::nullopt;
  if (!text || text->empty()) return std::nullopt;
  return std::string(*text);
}

std::optional<std::uint64_t> number_of(const JsonValue& object, std::string_view name) {
  const auto member = object.find(name);
  return member ? member->as_uint64() : std::nullopt;
}

std::optional<ReplicaId> replica_of(const JsonValue& value) {
  auto node = text_of(value, "node");
  auto store = text_of(value, "store");
  if (!node || !store) return std::nullopt;
  return ReplicaId{std::move(*node), std::move(*store)};
}

template <class T>
bool has_repetition(const std::vector<T>& list) {
  return std::set<T>(list.begin(), list.end()).size() != list.size();
}

}  // namespace

bool PartitionRecord::is_in_sync(const ReplicaId& replica) const {
  return std::ranges::find(in_sync, replica) != in_sync.end();
}

bool PartitionRecord::is_wanted(const NodeName& node) const {
  return std::ranges::find(replicas, node) != replicas.end();
}

std::string encode(const PartitionRecord& record) {
  JsonWriter json;
  json.begin_object().field("epoch", record.epoch).key("primary");
  write(json, record.primary);
  json.key("in_sync").begin_array();
  for (const auto& replica : record.in_sync) write(json, replica);
  json.end_array().key("replicas").begin_array();
  for (const auto& node : record.replicas) json.value(node);
  json.end_array();
  if (record.recovered != 0) json.field("recovered", record.recovered);
  json.end_object();
  return json.take();
}

Result<PartitionRecord> decode_partition_record(std::string_view text) {
  JsonDocument document;
  if (auto parsed = document.parse(text); !parsed) return parsed.error();
  const auto root = document.root();
  PartitionRecord record;
  const auto epoch = number_of(root, "epoch");
  const auto primary = root.find("primary");
  auto primary_id = primary ? replica_of(*primary) : std::nullopt;
  const auto in_sync = root.find("in_sync");
  const auto replicas = root.find("replicas");
  const auto recovered = root.find("recovered");
  if (!epoch || *epoch == 0) return malformed("a partition's record needs an epoch from 1 on");
  if (!primary_id) return malformed("a partition's record needs a primary with node and store");
  if (!in_sync || !in_sync->is_array() || !replicas || !replicas->is_array())
    return malformed("a partition's record needs the lists in_sync and replicas");
  record.epoch = *epoch;
  record.primary = std::move(*primary_id);
  for (std::size_t i = 0; i < in_sync->size(); ++i) {
    auto replica = replica_of(in_sync->element(i));
    if (!replica) return malformed("a replica in sync needs node and store");
    record.in_sync.push_back(std::move(*replica));
  }
  for (std::size_t i = 0; i < replicas->size(); ++i) {
    const auto node = replicas->element(i).as_string();
    if (!node || node->empty()) return malformed("replicas are a list of nodes by name");
    record.replicas.emplace_back(*node);
  }
  if (recovered) {
    const auto in = recovered->as_uint64();
    if (!in || *in > record.epoch)
      return malformed("a partition was recovered in an epoch, not a later one than it has");
    record.recovered = *in;
  }
  if (!record.is_in_sync(record.primary)) return malformed("a primary must be in the in-sync set");
  if (has_repetition(record.in_sync) || has_repetition(record.replicas))
    return malformed("a partition's record names a replica twice");
  return record;
}

std::string encode(const Member& member) {
  JsonWriter json;
  json.begin_object().field("node", member.node).field("store", member.store).field("peer", member.peer);
  json.field("rpc", member.rpc).field("http", member.http).end_object();
  return json.take();
}

Result<Member> decode_member(std::string_view text) {
  JsonDocument document;
  if (auto parsed = document.parse(text); !parsed) return parsed.error();
  const auto root = document.root();
  auto node = text_of(root, "node");
  auto store = text_of(root, "store");
  auto peer = text_of(root, "peer");
  auto rpc = text_of(root, "rpc");
  auto http = text_of(root, "http");
  if (!node || !store || !peer || !rpc || !http) return malformed("a member needs node, store, peer, rpc and http");
  return Member{std::move(*node), std::move(*store), std::move(*peer), std::move(*rpc), std::move(*http)};
}

std::string encode(const ClusterFormat& format) {
  JsonWriter json;
  json.begin_object().field("version", format.version).field("cluster_id", format.cluster_id);
  json.field("partitions", format.partitions).field("replicas", format.replicas);
  json.field("min_in_sync", format.min_in_sync).end_object();
  return json.take();
}

Result<ClusterFormat> decode_cluster_format(std::string_view text) {
  JsonDocument document;
  if (auto parsed = document.parse(text); !parsed) return parsed.error();
  const auto root = document.root();
  const auto version = number_of(root, "version");
  auto cluster_id = text_of(root, "cluster_id");
  const auto partitions = number_of(root, "partitions");
  const auto replicas = number_of(root, "replicas");
  const auto min_in_sync = number_of(root, "min_in_sync");
  if (!version || !cluster_id || !partitions || !replicas || !min_in_sync)
    return malformed("a cluster's format needs version, cluster_id, partitions, replicas and min_in_sync");
  if (*version != 1)
    return malformed("the cluster has format version " + std::to_string(*version) + ", this program knows version 1");
  if (*partitions == 0 || *partitions > 4'096) return malformed("a cluster has 1 to 4096 partitions");
  if (*replicas == 0 || *replicas > 7 || *min_in_sync == 0 || *min_in_sync > *replicas)
    return malformed("a cluster has 1 to 7 replicas, and of them at least one must be in sync");
  return ClusterFormat{static_cast<std::uint32_t>(*version), std::move(*cluster_id),
                       static_cast<std::uint16_t>(*partitions), static_cast<std::uint16_t>(*replicas),
                       static_cast<std::uint16_t>(*min_in_sync)};
}

}  // namespace carillon::cluster
