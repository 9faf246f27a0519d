#include "actors/cluster_report.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>

namespace carillon::actors {
namespace {

constexpr std::size_t kNamedMax = 10;

// "partition 3", "partitions 3, 4 and 5", "partitions 0, 1, … (64 of them)".
std::string name_of(const std::vector<PartitionId>& partitions) {
  std::string text = partitions.size() == 1 ? "partition " : "partitions ";
  for (std::size_t i = 0; i < std::min(partitions.size(), kNamedMax); ++i) {
    if (i > 0) text += i + 1 == partitions.size() ? " and " : ", ";
    text += std::to_string(partitions[i].value);
  }
  if (partitions.size() > kNamedMax) text += ", … (" + std::to_string(partitions.size()) + " of them)";
  return text;
}

std::string verb(const std::vector<PartitionId>& partitions, std::string_view one, std::string_view more) {
  return " " + std::string(partitions.size() == 1 ? one : more) + " ";
}

std::vector<PartitionId> with_fewer_in_sync(const ClusterDescription& cluster, std::size_t than) {
  std::vector<PartitionId> few;
  for (const auto& [partition, record] : cluster.partitions)
    if (record.in_sync.size() < than) few.push_back(partition);
  return few;
}

// This node is to have a copy, but the one it has cannot be opened.
std::vector<PartitionId> without_copy(const ClusterReport& report) {
  std::vector<PartitionId> lost;
  for (const auto& [partition, record] : report.cluster.partitions) {
    if (!record.is_wanted(report.cluster.self)) continue;
    for (const auto& replica : report.replicas)
      if (replica.partition == partition && (replica.role == cluster::Role::kStranger || replica.unreadable))
        lost.push_back(partition);
  }
  return lost;
}

// This node is to lead, and has nothing to lead with.
std::vector<PartitionId> leads_with_nothing(const ClusterReport& report) {
  std::vector<PartitionId> stuck;
  for (const auto& [partition, record] : report.cluster.partitions)
    for (const auto& replica : report.replicas)
      if (replica.partition == partition && replica.worthless && record.primary.node == report.cluster.self)
        stuck.push_back(partition);
  return stuck;
}

std::vector<PartitionId> with_more_than_primary(const ClusterReport& report) {
  std::vector<PartitionId> more;
  for (const auto& replica : report.replicas)
    if (replica.keeps_missing_entries) more.push_back(replica.partition);
  return more;
}

// Is here, or has or is to have a copy. Who has been taken out of the cluster is not missed.
bool is_wanted(const ClusterDescription& cluster, const NodeName& peer) {
  return std::ranges::any_of(cluster.nodes, [&](const auto& node) { return node.member.node == peer; }) ||
         std::ranges::any_of(cluster.partitions, [&](const auto& partition) {
           const auto& record = partition.record;
           return record.primary.node == peer || record.is_wanted(peer) ||
                  std::ranges::find(record.in_sync, peer, &cluster::ReplicaId::node) != record.in_sync.end();
         });
}

double number(std::uint64_t value) { return static_cast<double>(value); }

}  // namespace

std::vector<Problem> ClusterReport::problems() const {
  std::vector<Problem> problems;
  // What needs no reconfiguration goes on without etcd.
  for (const auto& sentence : cluster.problems) problems.push_back({sentence, false});
  if (cluster.partitions.empty())
    problems.push_back({"the partitions are not placed yet: that waits for " + std::to_string(cluster.replicas) +
                            " nodes, of which " + std::to_string(cluster.nodes.size()) + " are here",
                        true});
  for (const auto& node : cluster.nodes) {
    const auto link = std::ranges::find(cluster.links, node.member.node, &LinkStats::peer);
    const auto trouble = link != cluster.links.end() && !link->trouble.empty() ? ": " + link->trouble : std::string();
    if (!node.linked) problems.push_back({"there is no link to node " + node.member.node + trouble, false});
    if (link != cluster.links.end() && !link->via.empty())
      problems.push_back({"node " + node.member.node + " is reached only through " + link->via, false});
  }
  if (const auto few = with_fewer_in_sync(cluster, cluster.min_in_sync); !few.empty())
    problems.push_back({name_of(few) + verb(few, "accepts", "accept") + "nothing: fewer than " +
                            std::to_string(cluster.min_in_sync) + " copies are in sync",
                        false});
  if (const auto few = with_fewer_in_sync(cluster, cluster.replicas); !few.empty())
    problems.push_back({name_of(few) + verb(few, "is", "are") + "under-replicated: fewer than " +
                            std::to_string(cluster.replicas) + " copies are in sync",
                        false});
  if (const auto stuck = leads_with_nothing(*this); !stuck.empty())
    problems.push_back(
        {name_of(stuck) + verb(stuck, "has", "have") +
             "a primary here whose copy is not whole and leads nothing: stop this node, then recover from "
             "another one",
         false});
  if (const auto more = with_more_than_primary(*this); !more.empty())
    problems.push_back({name_of(more) + verb(more, "has", "have") + "entries here that the primary lacks, and" +
                            verb(more, "is", "are") + "not brought in sync: was an old copy of a directory put back?",
                        false});
  if (const auto lost = without_copy(*this); !lost.empty())
    problems.push_back({name_of(lost) + verb(lost, "has", "have") + "no usable copy here (the log says why)", false});
  return problems;
}

std::vector<Figure> ClusterReport::figures() const {
  std::map<cluster::Role, std::uint64_t> roles{{cluster::Role::kStranger, 0},
                                               {cluster::Role::kJoining, 0},
                                               {cluster::Role::kInSync, 0},
                                               {cluster::Role::kPrimary, 0}};
  std::map<NodeName, std::uint64_t> lags;
  cluster::Replica::Counters sum;
  for (const auto& replica : replicas) {
    ++roles[replica.role];
    for (const auto& backup : replica.backups) {
      if (!backup.linked || backup.copying) continue;  // What is away, or begins, does not lag.
      auto& lag = lags[backup.id.node];
      lag = std::max(lag, backup.lag_entries);
    }
    sum.add(replica.counters);
  }
  std::uint64_t epochs = 0;
  for (const auto& [partition, record] : cluster.partitions) epochs += record.epoch;

  std::vector<Figure> figures = {
      {"etcd_reachable", "1 if etcd answered when it was last asked.", cluster.etcd_reachable ? 1.0 : 0.0, false},
      {"cluster_members", "Nodes that have a lease in etcd.", number(cluster.nodes.size()), false},
      {"cluster_controller", "1 on the node that controls placement.", cluster.controller == cluster.self ? 1.0 : 0.0,
       false},
      {"partitions_under_replicated", "Partitions with fewer copies in sync than are wanted.",
       number(with_fewer_in_sync(cluster, cluster.replicas).size()), false},
      {"partitions_below_min_in_sync", "Partitions that accept nothing for want of copies in sync.",
       number(with_fewer_in_sync(cluster, cluster.min_in_sync).size()), false},
      {"partition_epochs_total", "Changes of primaries and in-sync sets: the epochs of all partitions, added up.",
       number(epochs)},
      {"replica_entries_total", "Log entries that replicas here have taken.", number(sum.entries_appended)},
      {"replica_truncations_total", "Logs here that were cut back to agree with their primary's.",
       number(sum.truncations)},
      {"replica_copies_received_total", "Times that a replica here was given a partition's records.",
       number(sum.copies_begun)},
      {"replica_copies_sent_total", "Times that a primary here gave a partition's records.", number(sum.copies_sent)},
      {"backups_removed_total", "Silent backups that primaries here have removed.", number(sum.removals)},
      {"nominations_total", "Times that a replica here took over from a silent primary.", number(sum.nominations)},
      {"nominations_lost_total", "Times that a replica here wished to and another came first.",
       number(sum.nominations_lost)},
      {"hand_overs_total", "Times that a primary here named its successor.", number(sum.hand_overs)},
      {"replication_refused_total", "Messages of lower epochs that replicas here refused.", number(sum.refused)},
  };
  for (const auto& [role, count] : roles)
    figures.push_back({"replicas",
                       "Partitions by what this node is to them.",
                       number(count),
                       false,
                       {{"role", role == cluster::Role::kInSync ? "in_sync" : std::string(cluster::name_of(role))}}});
  for (const auto& [node, lag] : lags)
    figures.push_back({"replication_lag_entries",
                       "How far a node is behind the primaries here, of the partition where that is most.",
                       number(lag),
                       false,
                       {{"peer", node}}});
  const auto add_of_links = [&](const char* name, const char* help, bool counter, auto value) {
    for (const auto& link : cluster.links)
      if (is_wanted(cluster, link.peer))
        figures.push_back({name, help, number(value(link)), counter, {{"peer", link.peer}}});
  };
  add_of_links("link_up", "1 if the link to that node works.", false, [](const auto& link) { return link.up ? 1 : 0; });
  add_of_links("link_meetings_total", "Times that the link was established.", true,
               [](const auto& link) { return link.meetings; });
  add_of_links("link_sent_bytes_total", "Bytes sent to that node.", true,
               [](const auto& link) { return link.bytes_sent; });
  add_of_links("link_received_bytes_total", "Bytes received from that node.", true,
               [](const auto& link) { return link.bytes_received; });
  add_of_links("link_queued_bytes", "Bytes that wait for that node to take something in.", false,
               [](const auto& link) { return link.queued_bytes; });
  return figures;
}

ClusterQuestions cluster_questions(Coordinator& coordinator, const Partitions& replicas) {
  ClusterQuestions questions;
  questions.report = [&coordinator, replicas](std::function<void(ClusterReport)> answer) {
    coordinator.describe([replicas, answer = std::move(answer)](ClusterDescription cluster) {
      auto report = std::make_shared<ClusterReport>();
      report->cluster = std::move(cluster);
      report->replicas.resize(replicas->size());
      if (replicas->empty()) return answer(std::move(*report));
      auto missing = std::make_shared<std::atomic<std::size_t>>(replicas->size());
      for (std::size_t p = 0; p < replicas->size(); ++p)
        caf::anon_send((*replicas)[p], AskReplica{[report, missing, answer, p](ReplicaStats stats) {
                         report->replicas[p] = std::move(stats);
                         if (missing->fetch_sub(1) == 1) answer(std::move(*report));
                       }});
    });
  };
  questions.set_draining = [&coordinator](NodeName node, std::optional<cluster::Drain> drain,
                                          std::function<void(Result<void>)> answer) {
    coordinator.set_draining(std::move(node), drain, std::move(answer));
  };
  return questions;
}

Error no_cluster() {
  return {ErrorCode::UNAVAILABLE,
          "this node belongs to no cluster: it was started without --cluster, or has not joined yet", 0};
}

Error no_cluster_report() {
  return {ErrorCode::UNAVAILABLE, "what is known of the cluster did not come in time; try again", 0};
}

}  // namespace carillon::actors
