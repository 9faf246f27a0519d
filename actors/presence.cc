#include "actors/presence.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "actors/cluster_report.h"
#include "actors/node_publisher.h"
#include "actors/presence_behaviour.h"
#include "actors/questions.h"
#include "actors/random_name.h"

namespace carillon::actors {
namespace {

constexpr auto kLookEvery = 2 * kj::SECONDS;
constexpr std::chrono::minutes kForgottenAfter{10};  // By then a controller has told of a node that has vanished.

kj::Duration kj_duration(std::chrono::milliseconds duration) { return duration.count() * kj::MILLISECONDS; }

EntityId hub_of(const std::string& store_id, std::size_t shard) {
  return EntityId::of(kGatewayKind, store_id + "/" + std::to_string(shard)).value();
}

}  // namespace

PresenceReporter::PresenceReporter(Edge& edge, std::string store_id)
    : edge_(edge), store_id_(std::move(store_id)), boot_(random_name()), tasks_(*this) {
  // Whoever was here in an earlier life has gone. A hub that nobody was ever told to has nothing to forget.
  for (std::size_t shard = 0; shard < kShards; ++shard)
    tasks_.add(inspect_entity(edge_, access::Rights::everything(), hub_of(store_id_, shard).text())
                   .then([this, shard](const Result<EntityInspection>& seen) {
                     if (!seen || seen->extent.last > 0) begin(shard);
                   }));
  tasks_.add(watch_cluster());
}

void PresenceReporter::begin(std::size_t shard) {
  if (!std::exchange(begun_[shard], true)) tell(store_id_, shard, GatewayStarted{.boot = boot_});
}

void PresenceReporter::begin_anew() {
  boot_ = random_name();
  begun_ = {};
  for (std::size_t shard = 0; shard < kShards; ++shard) begin(shard);
  for (const auto& [connection, player] : players_) tell_arrival(connection, player);
}

std::unique_ptr<PresenceReporter::Stay> PresenceReporter::arrived(const std::string& player) {
  const auto connection = ++last_connection_;
  post([connection, player](PresenceReporter& reporter) {
    reporter.players_.emplace(connection, player);
    reporter.tell_arrival(connection, player);
  });
  return std::make_unique<Stay>(*this, connection);
}

void PresenceReporter::post(std::function<void(PresenceReporter&)> job) {
  edge_.inbox->push([this, job = std::move(job)] { job(*this); });
}

void PresenceReporter::tell_arrival(std::uint64_t connection, const std::string& player) {
  begin(connection % kShards);
  tell(store_id_, connection % kShards,
       ConnectionOpened{.boot = boot_, .connection = std::to_string(connection), .player = player});
}

void PresenceReporter::gone(std::uint64_t connection) {
  tasks_.add(edge_.timer.afterDelay(kj_duration(edge_.edge_limits.presence_grace)).then([this, connection] {
    players_.erase(connection);
    tell(store_id_, connection % kShards, ConnectionClosed{.boot = boot_, .connection = std::to_string(connection)});
  }));
}

template <class Event>
void PresenceReporter::tell(const std::string& store_id, std::size_t shard, const Event& event) {
  tasks_.add(edge_.own_events->publish(hub_of(store_id, shard), std::string(Event::kType), to_json(event))
                 .then([](const Result<void>& stored) {
                   if (!stored) spdlog::error("who is here is not told: {}", stored.error().message);
                 }));
}

kj::Promise<void> PresenceReporter::watch_cluster() {
  return edge_.timer.afterDelay(kLookEvery).then([this]() -> kj::Promise<void> {
    if (!edge_.cluster) return watch_cluster();
    return edge_.ask<ClusterReport>([this](auto answer) { edge_.cluster->report(std::move(answer)); })
        .then([this](const Result<ClusterReport>& report) {
          // What is known while etcd is away is old.
          if (report && report->cluster.etcd_reachable) seen(*report);
          return watch_cluster();
        });
  });
}

void PresenceReporter::seen(const ClusterReport& report) {
  const auto now = Clock::now();
  bool is_member = false;
  for (const auto& node : report.cluster.nodes) {
    const auto& store = node.member.store;
    members_[store] = now;
    is_member = is_member || store == store_id_;
  }
  if (is_member && !std::exchange(is_member_, is_member)) begin_anew();
  is_member_ = is_member;
  const bool controls = report.cluster.controller == report.cluster.self;
  std::erase_if(members_, [&](const auto& member) {
    const auto away = now - member.second;
    if (!controls || away < edge_.edge_limits.presence_grace) return away > kForgottenAfter;
    for (std::size_t shard = 0; shard < kShards; ++shard)
      tell(member.first, shard, GatewayStarted{.boot = "vanished " + random_name()});
    return true;
  });
}

void PresenceReporter::taskFailed(kj::Exception&& failed) {
  spdlog::error("presence: {}", failed.getDescription().cStr());
}

}  // namespace carillon::actors
