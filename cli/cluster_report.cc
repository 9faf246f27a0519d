#include "cli/cluster_report.h"

#include <algorithm>
#include <optional>
#include <set>

#include "cli/columns.h"
#include "messages/rfc3339.h"

namespace carillon::cli {
namespace {

using actors::accepts_nothing;
using actors::add;
using actors::ClusterViews;
using actors::complaints;
using actors::holding_of;
using actors::is_under_replicated;
using actors::name_of;
using actors::Names;
using actors::names;
using actors::replica_of;
using actors::view_of;
using actors::without;

constexpr unsigned kPartitionsShown = 24;  // More are shown only when something is to be said of them.

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
std::string string(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

std::string joined(const Names& all, std::string_view between = " ") {
  std::string text;
  for (const auto& name : all) text.append(text.empty() ? "" : between).append(name);
  return text;
}

// --- Text

std::string counted(std::uint64_t count, std::string_view one, std::string_view more) {
  return grouped(count) + " " + std::string(count == 1 ? one : more);
}

std::string state_of(const ClusterViews& views, wire::ClusterNode::Reader node) {
  std::string state;
  if (!view_of(views, view(node.getName()))) state = "does not answer";
  if (node.getDrain() != wire::Drain::NOTHING) {
    state += std::string(state.empty() ? "" : ", ") + (node.getDrained() ? "drained" : "draining");
    if (node.getDrain() == wire::Drain::PRIMARIES) state += " (primaries)";
  }
  return state.empty() ? "ok" : state;
}

// Where the copies end that were heard of: what is looked at when there is nobody to say how far they are behind.
std::string log_ends_of(const ClusterViews& views, wire::ClusterPartition::Reader partition) {
  std::string text;
  auto nodes = names(partition.getReplicas());
  for (auto& node : without(names(partition.getInSync()), nodes)) nodes.push_back(std::move(node));
  for (const auto& node : nodes)
    if (const auto copy = replica_of(views, node, partition.getNumber()))
      text += (text.empty() ? "" : ", ") + node + "'s log ends at " + grouped(copy->getLogEnd());
  return text.empty() ? "?" : text;
}

// How far the backups are behind, as the primary says.
std::string lag_of(const ClusterViews& views, wire::ClusterPartition::Reader partition,
                   const std::optional<wire::ReplicaState::Reader>& primary) {
  if (!primary || primary->getRole() != wire::Role::PRIMARY) return log_ends_of(views, partition);
  std::string text;
  for (const auto backup : primary->getBackups()) {
    if (backup.getInSync() && backup.getLagEntries() == 0) continue;
    text += (text.empty() ? "" : ", ") + string(backup.getNode());
    text += backup.getKeepsMissingEntries() ? " has more"
            : backup.getCopying()           ? " is given a copy"
            : backup.getLinked()            ? " " + grouped(backup.getLagEntries())
                                            : " is away";
  }
  return text.empty() ? "0" : text;
}

struct Row {
  std::string number, epoch, primary, in_sync, lag, remark;
  bool serious = false;
};

Row row_of(const ClusterViews& views, wire::ClusterPartition::Reader partition) {
  const auto cluster = views.asked;
  const auto primary = replica_of(views, view(partition.getPrimary()), partition.getNumber());
  Row row{std::to_string(partition.getNumber()),
          std::to_string(partition.getEpoch()),
          string(partition.getPrimary()),
          joined(without(names(partition.getInSync()), {string(partition.getPrimary())})),
          lag_of(views, partition, primary),
          {}};
  const auto of_wanted = std::to_string(partition.getInSync().size()) + " of " + std::to_string(cluster.getReplicas());
  if (accepts_nothing(cluster, partition)) {
    row.remark = "ACCEPTS NOTHING, " + of_wanted + " in sync";
    row.serious = true;
  } else if (is_under_replicated(cluster, partition)) {
    row.remark = "UNDER-REPLICATED, " + of_wanted + " in sync";
  } else if (const auto coming = without(names(partition.getReplicas()), names(partition.getInSync()));
             !coming.empty()) {
    row.remark = joined(coming, ", ") + " joins";
  }
  if (primary && primary->getRole() == wire::Role::PRIMARY && !primary->getReady())
    row.remark += std::string(row.remark.empty() ? "" : "; ") + "takes over";
  return row;
}

// --- Changes

class Changes {
 public:
  explicit Changes(std::int64_t at_ms) : at_(rfc3339(at_ms)) {}

  template <class Fill>
  void add(std::string_view change, const std::string& text, Fill fill) {
    JsonWriter json;
    json.begin_object().field("at", std::string_view(at_)).field("change", change);
    fill(json);
    all_.push_back({at_ + "  " + text, json.end_object().take()});
  }
  std::vector<ClusterChange> take() { return std::move(all_); }

 private:
  std::string at_;
  std::vector<ClusterChange> all_;
};

void compare(Changes& changes, wire::ClusterPartition::Reader before, wire::ClusterPartition::Reader after) {
  const auto name = "partition " + std::to_string(after.getNumber());
  const auto at_epoch = name + ", epoch " + std::to_string(after.getEpoch()) + ": ";
  const auto identify = [&](JsonWriter& json) {
    json.field("partition", after.getNumber()).field("epoch", after.getEpoch());
  };
  const auto compare_lists = [&](std::string_view change, std::string_view gained, std::string_view lost,
                                 const Names& was, const Names& is) {
    const auto more = without(is, was), less = without(was, is);
    if (more.empty() && less.empty()) return;
    std::string text = at_epoch;
    if (!more.empty()) text += joined(more, ", ") + " " + std::string(gained);
    if (!less.empty()) text += (more.empty() ? "" : ", ") + joined(less, ", ") + " " + std::string(lost);
    changes.add(change, text, [&](JsonWriter& json) {
      identify(json);
      cli::add(json, "came", more);
      cli::add(json, "went", less);
      cli::add(json, "now", is);
    });
  };
  const auto from = string(before.getPrimary()), to = string(after.getPrimary());
  const auto was_in_sync = names(before.getInSync()), in_sync = names(after.getInSync());
  if (from != to)
    changes.add("primary", at_epoch + "primary " + from + " -> " + to, [&](JsonWriter& json) {
      identify(json);
      json.field("from", std::string_view(from)).field("to", std::string_view(to));
    });
  compare_lists("in_sync", "in sync", "no longer in sync", was_in_sync, in_sync);
  compare_lists("replicas", "to have a copy", "to give its copy up", names(before.getReplicas()),
                names(after.getReplicas()));
  const bool explained = from != to || was_in_sync != in_sync;
  if (before.getEpoch() != after.getEpoch() && !explained)
    changes.add("epoch", at_epoch + to + " begins again as primary", identify);
}

std::map<std::string, wire::ClusterNode::Reader> nodes_by_name(wire::Cluster::Reader cluster) {
  std::map<std::string, wire::ClusterNode::Reader> all;
  for (const auto node : cluster.getNodes()) all.emplace(string(node.getName()), node);
  return all;
}

void compare_nodes(Changes& changes, wire::Cluster::Reader before, wire::Cluster::Reader after) {
  const auto was = nodes_by_name(before), is = nodes_by_name(after);
  for (const auto& [name, node] : was)
    if (!is.contains(name))
      changes.add("node_left", "node " + name + " is no member any more",
                  [&, &node_name = name](JsonWriter& json) { json.field("node", std::string_view(node_name)); });
  for (const auto& [name, node] : is) {
    const auto identify = [&node_name = name](JsonWriter& json) { json.field("node", std::string_view(node_name)); };
    const auto found = was.find(name);
    if (found == was.end()) {
      changes.add("node_joined", "node " + name + " is a member, rpc " + string(node.getRpc()),
                  [&, &now = node](JsonWriter& json) {
                    identify(json);
                    json.field("rpc", view(now.getRpc()));
                  });
      continue;
    }
    const auto& old = found->second;
    if (view(old.getStore()) != view(node.getStore()))
      changes.add("store", "node " + name + " has another store, and none of its copies", identify);
    if (old.getDrain() != node.getDrain())
      changes.add("drain",
                  "node " + name +
                      (node.getDrain() == wire::Drain::NOTHING
                           ? std::string(" is no longer draining")
                           : " is to give up " +
                                 (node.getDrain() == wire::Drain::PRIMARIES ? "its primaries" : std::string("all"))),
                  [&, &now = node](JsonWriter& json) {
                    identify(json);
                    json.field("drain", name_of(now.getDrain()));
                  });
    if (!old.getDrained() && node.getDrained())
      changes.add("drained", "node " + name + " is drained: it has given up what it can", identify);
    if (view(before.getNode()) == view(after.getNode()) && old.getLinked() != node.getLinked())
      changes.add(node.getLinked() ? "link_up" : "link_lost",
                  "link from " + string(after.getNode()) + " to " + name + (node.getLinked() ? " works" : " is lost"),
                  identify);
  }
}

}  // namespace

std::string cluster_text(const ClusterViews& views, bool all, const Colours& colours) {
  const auto cluster = views.asked;
  const auto coloured = [&](std::string_view colour, const std::string& text) {
    return std::string(colour) + text + std::string(colours.reset);
  };
  std::string text = coloured(colours.bold, "cluster " + string(cluster.getName()));
  text += ", seen from " + string(cluster.getNode()) + ": " + counted(cluster.getNodes().size(), "node", "nodes") +
          ", " + counted(cluster.getPartitions().size(), "partition", "partitions") + "\n";
  text += coloured(colours.dim, std::to_string(cluster.getReplicas()) + " copies wanted, " +
                                    std::to_string(cluster.getMinInSync()) + " must be in sync; ");
  text += cluster.getEtcdReachable() ? coloured(colours.dim, "etcd answers, ")
                                     : coloured(colours.red, "etcd does not answer") + coloured(colours.dim, ", ");
  text += coloured(colours.dim, view(cluster.getController()).empty()
                                    ? "nobody controls placement"
                                    : "placement is controlled by " + string(cluster.getController())) +
          "\n\n";

  std::size_t node_width = 8, rpc_width = 17, http_width = 17;
  for (const auto node : cluster.getNodes()) {
    node_width = std::max(node_width, view(node.getName()).size() + 2);
    rpc_width = std::max(rpc_width, view(node.getRpc()).size() + 2);
    http_width = std::max(http_width, view(node.getHttp()).size() + 2);
  }
  text +=
      coloured(colours.dim, "  " + padded("node", node_width) + padded("rpc", rpc_width) + padded("http", http_width) +
                                padded("link", 6) + right("primary", 8) + right("copies", 8) + "  state") +
      "\n";
  for (const auto node : cluster.getNodes()) {
    const auto holding = holding_of(cluster, view(node.getName()));
    const bool self = view(node.getName()) == view(cluster.getNode());
    const auto state = state_of(views, node);
    const auto link = padded(self ? "-" : node.getLinked() ? "up" : "lost", 6);
    text += "  " + padded(view(node.getName()), node_width) + padded(view(node.getRpc()), rpc_width) +
            padded(view(node.getHttp()), http_width) +
            coloured(self || node.getLinked() ? std::string_view() : colours.red, link) +
            right(grouped(holding.primaries), 8) + right(grouped(holding.copies), 8) + "  " +
            coloured(state == "ok"                          ? colours.green
                     : view_of(views, view(node.getName())) ? colours.yellow
                                                            : colours.red,
                     state) +
            "\n";
  }

  std::vector<Row> rows;
  unsigned left_out = 0;
  std::size_t in_sync_width = 16, lag_width = 8, primary_width = 9;
  for (const auto partition : cluster.getPartitions()) {
    auto row = row_of(views, partition);
    if (!all && cluster.getPartitions().size() > kPartitionsShown && row.remark.empty() && row.lag == "0") {
      ++left_out;
      continue;
    }
    in_sync_width = std::max(in_sync_width, row.in_sync.size() + 2);
    lag_width = std::max(lag_width, row.lag.size() + 2);
    primary_width = std::max(primary_width, row.primary.size() + 2);
    rows.push_back(std::move(row));
  }
  if (!rows.empty())
    text += "\n" +
            coloured(colours.dim, right("partition", 11) + right("epoch", 8) + "  " + padded("primary", primary_width) +
                                      padded("in sync with it", in_sync_width) + "behind by") +
            "\n";
  for (const auto& row : rows)
    text += right(row.number, 11) + right(row.epoch, 8) + "  " + padded(row.primary, primary_width) +
            padded(row.in_sync, in_sync_width) +
            (row.remark.empty()
                 ? row.lag
                 : padded(row.lag, lag_width) + coloured(row.serious ? colours.red : colours.yellow, row.remark)) +
            "\n";
  if (left_out > 0)
    text += "\n  " + counted(left_out, "other partition is", "other partitions are") + " well (--all lists them)\n";

  if (const auto found = complaints(views); !found.empty()) {
    text += "\n" + coloured(colours.dim, "  problems") + "\n";
    for (const auto& [node, sentence] : found)
      text += "  " + padded(node, node_width) + coloured(colours.yellow, sentence) + "\n";
  }
  return text;
}

std::vector<ClusterChange> cluster_changes(wire::Cluster::Reader before, wire::Cluster::Reader after,
                                           std::int64_t at_ms) {
  Changes changes(at_ms);
  if (before.getEtcdReachable() != after.getEtcdReachable())
    changes.add(after.getEtcdReachable() ? "etcd_answers" : "etcd_away",
                "etcd " + std::string(after.getEtcdReachable() ? "answers again" : "does not answer"),
                [](JsonWriter&) {});
  compare_nodes(changes, before, after);
  if (view(before.getController()) != view(after.getController()))
    changes.add("controller",
                view(after.getController()).empty() ? "nobody controls placement"
                                                    : string(after.getController()) + " controls placement",
                [&](JsonWriter& json) { json.field("node", view(after.getController())); });
  std::map<std::uint16_t, wire::ClusterPartition::Reader> was;
  for (const auto partition : before.getPartitions()) was.emplace(partition.getNumber(), partition);
  for (const auto partition : after.getPartitions()) {
    if (const auto found = was.find(partition.getNumber()); found != was.end())
      compare(changes, found->second, partition);
    else
      changes.add("placed",
                  "partition " + std::to_string(partition.getNumber()) + ": placed on " +
                      joined(names(partition.getReplicas()), ", "),
                  [&](JsonWriter& json) {
                    json.field("partition", partition.getNumber()).field("epoch", partition.getEpoch());
                    add(json, "now", names(partition.getReplicas()));
                  });
  }
  return changes.take();
}

std::string drain_json(std::string_view node, wire::Drain drain) {
  return JsonWriter().begin_object().field("node", node).field("drain", name_of(drain)).end_object().take();
}

std::string drain_json(wire::ClusterNode::Reader node, const actors::Holding& holding) {
  JsonWriter json;
  json.begin_object().field("node", view(node.getName())).field("drain", name_of(node.getDrain()));
  json.field("drained", node.getDrained()).field("primaries", holding.primaries).field("copies", holding.copies);
  return json.end_object().take();
}

}  // namespace carillon::cli
