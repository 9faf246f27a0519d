#include "actors/cluster_node.h"

#include <spdlog/spdlog.h>

#include <future>

#include "actors/gateway.h"
#include "actors/host_port.h"
#include "actors/pulse.h"
#include "actors/store_owner.h"
#include "actors/system_config.h"
#include "cluster/membership.h"
#include "runtime/key.h"

namespace carillon::actors {
namespace {

constexpr std::chrono::seconds kAskFormatFor{2};
constexpr std::chrono::milliseconds kRoutesLookEvery{50};
constexpr std::chrono::milliseconds kReplicasLookEvery{10};

Result<std::uint16_t> listen(caf::actor_system& system, const caf::actor& reception, const std::string& address) {
  const auto colon = address.rfind(':');
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto wanted = static_cast<std::uint16_t>(std::strtoul(address.c_str() + colon + 1, nullptr, 10));
  // Reused: the connections of a process that was killed keep the address for a minute.
  auto port = system.middleman().publish(reception, wanted, host.c_str(), true);
  if (port) return *port;
  return Error{ErrorCode::UNAVAILABLE, "cannot listen for other nodes on " + address + ": " +
                                           system.render(port.error()) + " (is the address free, and this machine's?)"};
}

// Where other nodes are told that they reach this one, which listens on `port`.
std::string advertised(const ClusterOptions& options, std::uint16_t port) {
  const auto& address = options.advertise.empty() ? options.peer : options.advertise;
  const auto host_end = address.rfind(':') + 1;
  const bool names_port = !options.advertise.empty() && address.substr(host_end) != "0";
  return names_port ? address : address.substr(0, host_end) + std::to_string(port);
}

bool is_wildcard(const std::string& address) {
  const auto host = address.substr(0, address.rfind(':'));
  return host.empty() || host == "0.0.0.0" || host == "[::]" || host == "::" || host == "*";
}

}  // namespace

Result<void> check(const ClusterOptions& options) {
  if (auto good = cluster::check_names(options.cluster, options.node); !good) return good;
  if (auto good = check_host_port("--peer", options.peer); !good) return good;
  if (!options.advertise.empty())
    if (auto good = check_host_port("--advertise", options.advertise); !good) return good;
  if (options.secret.empty() && !is_loopback(options.peer))
    return Error{ErrorCode::MALFORMED, options.peer +
                                           " is beyond loopback: give all nodes the same --secret-file, or listen on "
                                           "127.0.0.1"};
  if (options.advertise.empty() && is_wildcard(options.peer))
    return Error{ErrorCode::MALFORMED, "other nodes cannot reach this one at " + options.peer +
                                           ": say with --advertise HOST:PORT where they can"};
  return {};
}

Result<std::unique_ptr<ClusterNode>> ClusterNode::start(NodeOptions node_options, ClusterOptions options,
                                                        std::function<bool()> stopped) {
  if (auto checked = check(options); !checked) return checked.error();
  std::unique_ptr<ClusterNode> node(new ClusterNode());
  // A new store has as many partitions as the cluster that it joins.
  if (!runtime::Store::exists(node_options.store.directory)) {
    auto known = read_cluster_format(options.etcd, options.cluster, kAskFormatFor);
    std::string told;
    while (!known && known.error().code == ErrorCode::UNAVAILABLE && !stopped()) {
      if (const auto why = known.error().message; std::exchange(told, why) != why)
        spdlog::warn("waiting for etcd, which says how many partitions a new store is to have: {}", why);
      known = read_cluster_format(options.etcd, options.cluster, kAskFormatFor);
    }
    if (!known) return known.error();
    if (*known) node_options.store.partitions = (*known)->partitions;
  }
  auto opened = runtime::Store::open(node_options.store);
  if (!opened) return opened.error();
  node->store_ = std::move(*opened);
  auto cluster_id = cluster_of(*node->store_);
  if (!cluster_id) return cluster_id.error();
  node->cluster_id_ = std::move(*cluster_id);
  node->node_options_ = std::move(node_options);
  node->options_ = std::move(options);
  node->stopped_ = std::move(stopped);

  node->config_ = std::make_unique<SystemConfig>(node->node_options_.threads);
  node->config_->load_links();
  node->system_ = std::make_unique<caf::actor_system>(*node->config_);
  auto& system = *node->system_;
  node->journal_ = system.spawn<caf::detached>(actors::journal, node->store_, node->node_options_.journal);
  node->reception_ = system.spawn(reception);
  const auto port = listen(system, node->reception_, node->options_.peer);
  if (!port) return port.error();
  node->peer_address_ = advertised(node->options_, *port);

  const auto partitions = node->store_->format().partitions;
  auto standings = std::make_shared<std::vector<std::unique_ptr<Standing>>>();
  for (std::uint16_t p = 0; p < partitions; ++p) standings->push_back(std::make_unique<Standing>());
  node->standings_ = standings;
  auto routes = std::make_shared<std::vector<caf::actor>>();
  for (std::uint16_t p = 0; p < partitions; ++p)
    routes->push_back(system.spawn(
        route,
        RouteOptions{{p},
                     node->options_.node,
                     node->options_.routes,
                     node->standings_,
                     [notice = node->reload_notice_](PartitionId id, std::uint64_t life) { (*notice)(id, life); }}));
  node->routes_ = routes;
  for (const auto& actor : *routes) caf::anon_send(actor, Peers{node->routes_});
  node->pulses_.push_back(system.spawn(pulse, PulseOptions{kRoutesLookEvery, node->routes_}));
  return node;
}

Result<void> ClusterNode::join(const std::string& rpc, const std::string& http) {
  const auto& format = store_->format();
  // What listens everywhere is reached where other nodes reach this one.
  const auto reached = [this](const std::string& listening) {
    if (!is_wildcard(listening)) return listening;
    return peer_address_.substr(0, peer_address_.rfind(':')) + listening.substr(listening.rfind(':'));
  };
  auto joined = Coordinator::join({.etcd = options_.etcd,
                                   .cluster = options_.cluster,
                                   .self = {options_.node, format.store_id, peer_address_, reached(rpc), reached(http)},
                                   .cluster_id = cluster_id_,
                                   .founding = {.cluster_id = {},
                                                .partitions = format.partitions,
                                                .replicas = options_.replicas,
                                                .min_in_sync = options_.min_in_sync},
                                   .replace_after = options_.replace_after,
                                   .stopped = stopped_});
  if (!joined) return joined.error();
  coordinator_ = std::move(*joined);
  const auto& cluster_format = coordinator_->format();
  if (cluster_id_.empty()) {
    // Before anything else is written: what follows belongs to this cluster only.
    runtime::WriteSet writes;
    writes.put(runtime::store_key(kClusterKey), cluster_format.cluster_id);
    caf::scoped_actor self{*system_};
    self->send(journal_, Commit{{}, caf::actor_cast<caf::actor>(self), std::move(writes), true});
    Result<void> outcome;
    self->receive([](Committed) {}, [&](const CommitFailed& failed) { outcome = failed.error; });
    if (!outcome) return outcome;
    cluster_id_ = cluster_format.cluster_id;
  }
  auto replicas = std::make_shared<std::vector<caf::actor>>();
  const auto emission_bytes = std::make_shared<runtime::EmissionBytes>(0);
  const auto commits_held = std::make_shared<runtime::CommitBytes>(0);
  for (std::uint16_t p = 0; p < format.partitions; ++p) {
    cluster::Replica::Options replica_options{
        {p}, {options_.node, format.store_id}, cluster_format.min_in_sync, options_.timeouts, options_.replica_limits};
    PartitionOptions partition_options{
        {{p}, format.partitions, node_options_.catalogue, node_options_.limits, node_options_.retention, false},
        store_,
        journal_,
        {}};
    partition_options.emission_bytes = emission_bytes;
    partition_options.partition.commits_held = commits_held;
    replicas->push_back(system_->spawn(replica, ReplicaOptions{std::move(replica_options), std::move(partition_options),
                                                               journal_, standings_, coordinator_->proposing()}));
  }
  replicas_ = replicas;
  for (const auto& actor : *replicas_) caf::anon_send(actor, Peers{routes_});
  pulses_.push_back(system_->spawn(pulse, PulseOptions{kReplicasLookEvery, replicas_}));
  coordinator_->attach(*system_, routes_, replicas_, reception_, standings_, {options_.secret, options_.links});
  coordinator_->unmark_self();
  return {};
}

ClusterNode::~ClusterNode() {
  for (const auto& actor : pulses_) caf::anon_send(actor, Stop{});
  pulses_.clear();
  // First nobody proposes any more, then nobody answers.
  for (const auto& actors : {replicas_, routes_})
    if (actors)
      for (const auto& actor : *actors) caf::anon_send(actor, Stop{});
  if (coordinator_) coordinator_->stop_links();
  if (reception_) caf::anon_send(reception_, Stop{});
  if (journal_) caf::anon_send_exit(journal_, caf::exit_reason::user_shutdown);
  routes_.reset();
  replicas_.reset();
  journal_ = nullptr;
  reception_ = nullptr;
  coordinator_.reset();
  // Waits for all actors: the thread of a detached one ends only when nobody refers to it any more.
  system_.reset();
}

bool ClusterNode::drain(std::chrono::milliseconds patience) {
  if (!coordinator_) return true;
  const auto drained = std::make_shared<std::promise<void>>();
  auto done = drained->get_future();
  coordinator_->set_draining(options_.node, cluster::Drain::kPrimaries, [](const Result<void>&) {});
  coordinator_->hand_over_all([drained](bool all) {
    if (all) drained->set_value();
  });
  return done.wait_for(patience) == std::future_status::ready;
}

}  // namespace carillon::actors
