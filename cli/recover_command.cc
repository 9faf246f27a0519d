#include "cli/recover_command.h"

#include <string>

#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "clients/cpp/session.h"
#include "cluster/etcd_client.h"
#include "cluster/recovery.h"

namespace carillon::cli {
namespace {

struct RecoverOptions {
  std::uint16_t partition = 0;
  std::string from;
  bool accept_loss = false;
  std::string etcd = "http://127.0.0.1:2379";
  std::string cluster = "carillon";
};

std::string names_of(const cluster::PartitionRecord& record) {
  std::string names;
  for (const auto& replica : record.in_sync) names += (names.empty() ? "" : ", ") + replica.node;
  return names;
}

ExitCode fail(const Error& error) {
  complain(error.message);
  return error.code == ErrorCode::UNAVAILABLE ? kCannotConnect : kRefused;
}

int recover(const RecoverOptions& options) {
  auto endpoints = cluster::EtcdClient::parse_endpoints(options.etcd);
  if (!endpoints) {
    complain("--etcd: " + endpoints.error().message);
    return kUsage;
  }
  client::Session session;
  cluster::EtcdClient etcd(session.network(), session.timer(), std::move(*endpoints));
  cluster::ClusterView view(options.cluster);
  const auto all = session.wait(etcd.range(view.keys().prefix()));
  if (!all) return fail(all.error());
  view.apply({.reset = true, .entries = all->entries, .revision = all->revision});

  const PartitionId partition{options.partition};
  const auto recovery = cluster::recovery_from(view, partition, options.from);
  if (!recovery) return fail(recovery.error());
  const auto lost = names_of(view.find(partition)->value);
  if (!options.accept_loss) {
    complain(
        "what only the disks of " + lost + " had of partition " + std::to_string(partition.value) +
        " will be gone for good, though it was accepted; --accept-loss says that this is meant. Should such a disk "
        "still exist, start its node on it instead");
    return kUsage;
  }
  const auto written =
      session.wait(etcd.swap(view.keys().partition(partition), recovery->expected, encode(recovery->record)));
  if (written.lost()) return fail({ErrorCode::FORBIDDEN, "the partition has just changed: look, and try again"});
  if (written.unanswered()) return fail(written.error);
  (void)print_line("Partition " + std::to_string(partition.value) + " begins again from node " + options.from +
                   " in epoch " + std::to_string(recovery->record.epoch) + ". What only " + lost +
                   " had is lost; carillon cluster status shows how the others are brought in sync.");
  return kOk;
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
  command.add_option("--etcd", options->etcd, "etcd's endpoints, with commas in between")
      ->type_name("URL")
      ->capture_default_str();
  command.add_option("--cluster-name", options->cluster, "the cluster's name in etcd")
      ->type_name("NAME")
      ->capture_default_str();
  add_examples(command, "  carillon cluster recover-partition 3 --from bee --accept-loss\n");
  run_with(command, action, std::move(options), &recover);
}

}  // namespace carillon::cli
