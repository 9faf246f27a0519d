#include "actors/cluster_json.h"

#include <algorithm>

namespace carillon::actors {
namespace {

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
std::string string(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

void add_copy(JsonWriter& json, const ClusterViews& views, const std::string& node, std::uint16_t partition,
              const std::optional<wire::ReplicaState::Reader>& primary) {
  json.begin_object().field("node", std::string_view(node));
  if (const auto replica = replica_of(views, node, partition)) {
    json.field("role", name_of(replica->getRole())).field("ready", replica->getReady());
    json.field("epoch", replica->getEpoch()).field("log_end", replica->getLogEnd());
    json.field("commit", replica->getCommit()).field("applied", replica->getApplied());
  } else {
    json.key("role").null();
  }
  if (primary)
    for (const auto backup : primary->getBackups())
      if (view(backup.getNode()) == node)
        json.field("lag_entries", backup.getLagEntries())
            .field("copying", backup.getCopying())
            .field("keeps_missing_entries", backup.getKeepsMissingEntries());
  json.end_object();
}

void add_partition(JsonWriter& json, const ClusterViews& views, wire::ClusterPartition::Reader partition) {
  const auto number = partition.getNumber();
  const auto in_sync = names(partition.getInSync()), replicas = names(partition.getReplicas());
  json.begin_object().field("partition", number).field("epoch", partition.getEpoch());
  json.field("primary", view(partition.getPrimary()));
  add(json, "in_sync", in_sync);
  add(json, "replicas", replicas);
  json.field("under_replicated", is_under_replicated(views.asked, partition));
  json.field("accepts", !accepts_nothing(views.asked, partition)).key("copies").begin_array();
  const auto primary = replica_of(views, view(partition.getPrimary()), number);
  for (const auto& node : in_sync) add_copy(json, views, node, number, primary);
  for (const auto& node : without(replicas, in_sync)) add_copy(json, views, node, number, primary);
  json.end_array().end_object();
}

void add_node(JsonWriter& json, const ClusterViews& views, wire::ClusterNode::Reader node) {
  const auto holding = holding_of(views.asked, view(node.getName()));
  json.begin_object().field("node", view(node.getName())).field("store", view(node.getStore()));
  json.field("peer", view(node.getPeer())).field("rpc", view(node.getRpc())).field("http", view(node.getHttp()));
  json.field("linked", node.getLinked()).field("answers", view_of(views, view(node.getName())).has_value());
  json.field("drain", name_of(node.getDrain())).field("drained", node.getDrained());
  json.field("primaries", holding.primaries).field("copies", holding.copies).end_object();
}

void add_links(JsonWriter& json, wire::Cluster::Reader cluster) {
  for (const auto link : cluster.getLinks()) {
    json.begin_object().field("from", view(cluster.getNode())).field("to", view(link.getNode()));
    json.field("up", link.getUp()).field("meetings", link.getMeetings()).field("bytes_sent", link.getBytesSent());
    json.field("bytes_received", link.getBytesReceived()).field("queued_bytes", link.getQueuedBytes()).end_object();
  }
}

}  // namespace

Names names(capnp::List<capnp::Text>::Reader list) {
  Names all;
  for (const auto name : list) all.push_back(string(name));
  return all;
}

bool contains(const Names& all, std::string_view name) { return std::ranges::find(all, name) != all.end(); }

Names without(const Names& all, const Names& others) {
  Names rest;
  for (const auto& name : all)
    if (!contains(others, name)) rest.push_back(name);
  return rest;
}

void add(JsonWriter& json, std::string_view key, const Names& all) {
  json.key(key).begin_array();
  for (const auto& name : all) json.value(std::string_view(name));
  json.end_array();
}

std::string_view name_of(wire::Role role) {
  switch (role) {
    case wire::Role::JOINING:
      return "joining";
    case wire::Role::IN_SYNC:
      return "in_sync";
    case wire::Role::PRIMARY:
      return "primary";
    case wire::Role::STRANGER:
      break;
  }
  return "stranger";
}

std::string_view name_of(wire::Drain drain) {
  switch (drain) {
    case wire::Drain::EVERYTHING:
      return "everything";
    case wire::Drain::PRIMARIES:
      return "primaries";
    case wire::Drain::NOTHING:
      break;
  }
  return "nothing";
}

std::optional<wire::Cluster::Reader> view_of(const ClusterViews& views, std::string_view node) {
  if (view(views.asked.getNode()) == node) return views.asked;
  const auto found = views.others.find(std::string(node));
  if (found == views.others.end() || !found->second.ok()) return std::nullopt;
  return *found->second;
}

std::optional<wire::ReplicaState::Reader> replica_of(const ClusterViews& views, std::string_view node,
                                                     std::uint16_t partition) {
  if (const auto cluster = view_of(views, node))
    for (const auto replica : cluster->getOwnReplicas())
      if (replica.getPartition() == partition) return replica;
  return std::nullopt;
}

bool is_under_replicated(wire::Cluster::Reader cluster, wire::ClusterPartition::Reader partition) {
  return partition.getInSync().size() < cluster.getReplicas();
}
bool accepts_nothing(wire::Cluster::Reader cluster, wire::ClusterPartition::Reader partition) {
  return partition.getInSync().size() < cluster.getMinInSync();
}

std::vector<Complaint> complaints(const ClusterViews& views) {
  std::vector<Complaint> all;
  const auto add_of = [&](wire::Cluster::Reader cluster) {
    for (const auto problem : cluster.getProblems()) all.push_back({string(cluster.getNode()), string(problem)});
  };
  add_of(views.asked);
  for (const auto& [node, answer] : views.others) {
    if (answer.ok())
      add_of(*answer);
    else
      all.push_back({node, "did not answer: " + answer.error().message});
  }
  return all;
}

Holding holding_of(wire::Cluster::Reader cluster, std::string_view node) {
  Holding holding;
  for (const auto partition : cluster.getPartitions()) {
    holding.primaries += view(partition.getPrimary()) == node;
    holding.copies += contains(names(partition.getReplicas()), node) || contains(names(partition.getInSync()), node);
  }
  return holding;
}

std::string cluster_json(const ClusterViews& views) {
  const auto cluster = views.asked;
  JsonWriter json(4'096);
  json.begin_object().field("cluster", view(cluster.getName())).field("id", view(cluster.getId()));
  json.field("asked", view(cluster.getNode())).key("controller");
  if (view(cluster.getController()).empty())
    json.null();
  else
    json.value(view(cluster.getController()));
  json.field("etcd_reachable", cluster.getEtcdReachable()).field("replicas", cluster.getReplicas());
  json.field("min_in_sync", cluster.getMinInSync()).key("nodes").begin_array();
  for (const auto node : cluster.getNodes()) add_node(json, views, node);
  json.end_array().key("partitions").begin_array();
  for (const auto partition : cluster.getPartitions()) add_partition(json, views, partition);
  json.end_array().key("links").begin_array();
  add_links(json, cluster);
  for (const auto& [node, answer] : views.others)
    if (answer.ok()) add_links(json, *answer);
  json.end_array().key("problems").begin_array();
  for (const auto& [node, sentence] : complaints(views))
    json.begin_object().field("node", std::string_view(node)).field("problem", std::string_view(sentence)).end_object();
  return json.end_array().end_object().take();
}

}  // namespace carillon::actors
