#include "cli/recover_command.h"

#include <optional>
#include <string>

#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "clients/cpp/session.h"
#include "cluster/etcd_client.h"
#include "cluster/recovery.h"
#include "runtime/json.h"

namespace carillon::cli {
namespace {

struct EtcdOptions {
  std::string etcd = "http://127.0.0.1:2379";
  std::string cluster = "carillon";
};

struct RecoverOptions {
  std::uint16_t partition = 0;
  std::string from;
  bool accept_loss = false, json = false;
  EtcdOptions etcd;
};

struct RaiseOptions {
  EtcdOptions etcd;
  bool json = false;
};

// What etcd holds of the cluster, and the way to change it.
class EtcdView {
 public:
  explicit EtcdView(const EtcdOptions& options) : view(options.cluster) {}

  // kOk, or what the program ends with after having said why.
  ExitCode load(const EtcdOptions& options);
  ExitCode put(PartitionId partition, cluster::Revision expected, const cluster::PartitionRecord& record);

  cluster::ClusterView view;

 private:
  client::Session session_;
  std::optional<cluster::EtcdClient> etcd_;
};

std::string names_of(const cluster::PartitionRecord& record) {
  std::string names;
  for (const auto& replica : record.in_sync) names += (names.empty() ? "" : ", ") + replica.node;
  return names;
}

ExitCode fail(const Error& error) {
  complain(to_string(error));
  return error.code == ErrorCode::UNAVAILABLE ? kCannotConnect : kRefused;
}

ExitCode EtcdView::load(const EtcdOptions& options) {
  auto endpoints = cluster::EtcdClient::parse_endpoints(options.etcd);
  if (!endpoints) {
    complain("--etcd: " + endpoints.error().message);
    return kUsage;
  }
  etcd_.emplace(session_.network(), session_.timer(), std::move(*endpoints));
  const auto all = session_.wait(etcd_->range(view.keys().prefix()));
  if (!all) return fail(all.error());
  view.apply({.reset = true, .entries = all->entries, .revision = all->revision});
  return kOk;
}

ExitCode EtcdView::put(PartitionId partition, cluster::Revision expected, const cluster::PartitionRecord& record) {
  const auto written = session_.wait(etcd_->swap(view.keys().partition(partition), expected, encode(record)));
  if (written.lost())
    return fail({ErrorCode::FORBIDDEN,
                 "partition " + std::to_string(partition.value) + " has just changed: look, and try again"});
  return written.unanswered() ? fail(written.error) : kOk;
}

int recover(const RecoverOptions& options) {
  EtcdView etcd(options.etcd);
  if (const ExitCode code = etcd.load(options.etcd); code != kOk) return code;
  const PartitionId partition{options.partition};
  const auto recovery = cluster::recovery_from(etcd.view, partition, options.from);
  if (!recovery) return fail(recovery.error());
  const auto lost = names_of(etcd.view.find(partition)->value);
  if (!options.accept_loss) {
    complain(
        "what only the disks of " + lost + " had of partition " + std::to_string(partition.value) +
        " will be gone for good, though it was accepted; --accept-loss says that this is meant. Should such a disk "
        "still exist, start its node on it instead");
    return kUsage;
  }
  if (const ExitCode code = etcd.put(partition, recovery->expected, recovery->record); code != kOk) return code;
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("partition", partition.value).field("from", options.from);
    json.field("epoch", recovery->record.epoch).key("lost").begin_array();
    for (const auto& replica : etcd.view.find(partition)->value.in_sync) json.value(replica.node);
    (void)print_line(json.end_array().end_object().take());
    return kOk;
  }
  (void)print_line("Partition " + std::to_string(partition.value) + " begins again from node " + options.from +
                   " in epoch " + std::to_string(recovery->record.epoch) + ". What only " + lost +
                   " had is lost; carillon cluster status shows how the others are brought in sync.");
  return kOk;
}

int raise_epochs(const RaiseOptions& options) {
  EtcdView etcd(options.etcd);
  if (const ExitCode code = etcd.load(options.etcd); code != kOk) return code;
  const auto partitions = etcd.view.partitions();
  if (partitions.empty()) return fail({ErrorCode::NOT_FOUND, "etcd holds no cluster named " + options.etcd.cluster});
  for (const auto& [partition, record] : partitions) {
    const auto raised = cluster::raised(record.value);
    if (const ExitCode code = etcd.put(partition, record.revision, raised); code != kOk) return code;
    if (options.json)
      (void)print_line(JsonWriter()
                           .begin_object()
                           .field("partition", partition.value)
                           .field("epoch", raised.epoch)
                           .end_object()
                           .take());
  }
  if (options.json) return kOk;
  (void)print_line(std::to_string(partitions.size()) +
                   " partitions begin a new epoch, later than any that a node has seen" +
                   " since the snapshot. Start the nodes now; carillon cluster status shows how they come in sync.");
  return kOk;
}

void add_etcd_options(CLI::App& command, EtcdOptions& options) {
  command.add_option("--etcd", options.etcd, "etcd's endpoints, with commas in between")
      ->type_name("URL")
      ->capture_default_str();
  command.add_option("--cluster-name", options.cluster, "the cluster's name in etcd")
      ->type_name("NAME")
      ->capture_default_str();
}

}  // namespace

void add_recover_command(CLI::App& cluster, Action& action) {
  auto options = std::make_shared<RecoverOptions>();
  CLI::App& command = *cluster.add_subcommand(
      "recover-partition", "begin a partition again from an older copy, when all disks that had everything are lost");
  command.add_option("partition", options->partition, "its number")->required()->type_name("PARTITION");
  command.add_option("--from", options->from, "the node whose copy is to be taken; it must run")
      ->required()
      ->type_name("NODE");
  command.add_flag("--accept-loss", options->accept_loss, "what that copy lacks is lost; without this nothing is done");
  command.add_flag("--json", options->json, "print one JSON object");
  add_etcd_options(command, options->etcd);
  add_examples(command, "  carillon cluster recover-partition 3 --from bee --accept-loss\n");
  run_with(command, action, std::move(options), &recover);
}

void add_raise_epochs_command(CLI::App& cluster, Action& action) {
  auto options = std::make_shared<RaiseOptions>();
  CLI::App& command = *cluster.add_subcommand(
      "raise-epochs",
      "needed once after etcd was restored from a snapshot, before the nodes start: epochs never come again");
  command.add_flag("--json", options->json, "print one JSON object a line, for each partition");
  add_etcd_options(command, options->etcd);
  add_examples(command, "  carillon cluster raise-epochs --etcd http://127.0.0.1:2379\n");
  run_with(command, action, std::move(options), &raise_epochs);
}

}  // namespace carillon::cli
