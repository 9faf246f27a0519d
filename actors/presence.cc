#include "actors/presence.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "actors/cluster_report.h"
#include "actors/node_publisher.h"
#include "actors/presence_behaviour.h"
#include "actors/questions.h"
#include "actors/random_name.h"

namespace carillon::actors {
namespace {

constexpr std::chrono::seconds kLookEvery{2};
constexpr std::chrono::seconds kNewsTake{1};  // From etcd to all nodes, with much to spare.
constexpr auto kOwn = NodePublisher::For::kNode;
constexpr auto kTellAgainAfter = 100 * kj::MILLISECONDS;
constexpr int kSignsMissedMax = 3;
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
                     if (seen && seen->extent.last == 0) return;
                     has_past_[shard] = true;
                     begin(shard);
                   }));
  alive_at_.fill(Clock::now());
  tasks_.add(watch_cluster());
  tasks_.add(say_that_we_are_alive());
}

bool PresenceReporter::begin(std::size_t shard) {
  if (!begun_[shard]) begun_[shard] = tell(store_id_, shard, GatewayStarted{.boot = boot_});
  return begun_[shard];
}

void PresenceReporter::begin_anew() {
  spdlog::info("this node may have been taken for gone: who is connected here is told anew");
  boot_ = random_name();
  begun_ = {};
  alive_at_.fill(Clock::now());
  has_past_.fill(true);
  std::erase_if(players_, [](const auto& player) { return player.second.is_gone; });
  for (auto& [connection, player] : players_) player.is_told = false;
  tell_what_is_untold();
}

std::unique_ptr<PresenceReporter::Stay> PresenceReporter::arrived(const std::string& player) {
  const auto connection = ++last_connection_;
  post([connection, player](PresenceReporter& reporter) {
    reporter.players_.emplace(connection, Player{.name = player});
    reporter.tell_of(connection);
  });
  return std::make_unique<Stay>(*this, connection);
}

void PresenceReporter::post(std::function<void(PresenceReporter&)> job) {
  edge_.inbox->push([this, job = std::move(job)] { job(*this); });
}

void PresenceReporter::gone(std::uint64_t connection) {
  tasks_.add(edge_.timer.afterDelay(kj_duration(edge_.edge_limits.presence_grace)).then([this, connection] {
    players_.at(connection).is_gone = true;
    tell_of(connection);
  }));
}

// What its hub does not know of it yet.
void PresenceReporter::tell_of(std::uint64_t connection) {
  const auto shard = connection % kShards;
  const auto name = std::to_string(connection);
  auto& player = players_.at(connection);
  if (!player.is_gone) {
    if (!player.is_told && begin(shard))
      player.is_told =
          tell(store_id_, shard, ConnectionOpened{.boot = boot_, .connection = name, .player = player.name});
  } else if (!player.is_told || tell(store_id_, shard, ConnectionClosed{.boot = boot_, .connection = name})) {
    players_.erase(connection);
  }
}

void PresenceReporter::tell_what_is_untold() {
  if (!edge_.own_events->has_room(kOwn)) return tell_again_later();
  for (std::size_t shard = 0; shard < kShards; ++shard)
    if (has_past_[shard]) begin(shard);
  for (auto at = players_.begin(); at != players_.end();) tell_of((at++)->first);
}

void PresenceReporter::tell_again_later() {
  if (std::exchange(telling_again_, true)) return;
  tasks_.add(edge_.timer.afterDelay(kTellAgainAfter).then([this] {
    telling_again_ = false;
    tell_what_is_untold();
  }));
}

template <class Event>
bool PresenceReporter::tell(const std::string& store_id, std::size_t shard, const Event& event) {
  if (!edge_.own_events->has_room(kOwn, hub_of(store_id, shard))) return tell_again_later(), false;
  const bool is_own = store_id == store_id_;
  if (is_own) ++under_way_[shard];
  tasks_.add(edge_.own_events->publish(kOwn, hub_of(store_id, shard), std::string(Event::kType), to_json(event))
                 .then([this, is_own, shard](const Result<void>& stored) {
                   if (!stored) spdlog::error("who is here is not told: {}", stored.error().message);
                   if (!is_own) return;
                   --under_way_[shard];
                   if (stored) heard_by(shard);
                 }));
  return true;
}

// Its hub has heard of us. If it had not for long, it may have taken everybody for gone.
void PresenceReporter::heard_by(std::size_t shard) {
  const auto before = std::exchange(alive_at_[shard], Clock::now());
  if (alive_at_[shard] - before > kSignsMissedMax * edge_.edge_limits.presence_sign_every) begin_anew();
}

// Hubs that hear nothing for kGatewaySilentMs take everybody for gone: long before, it is told anew.
kj::Promise<void> PresenceReporter::say_that_we_are_alive() {
  const auto every = edge_.edge_limits.presence_sign_every;
  return edge_.timer.afterDelay(kj_duration(every)).then([this] {
    std::array<bool, kShards> has_players{};
    for (const auto& [connection, player] : players_) has_players[connection % kShards] = true;
    for (std::size_t shard = 0; shard < kShards; ++shard) {
      // There is nobody to be taken for gone, and the hub knows.
      if (!has_players[shard] && under_way_[shard] == 0) alive_at_[shard] = Clock::now();
      if (!has_players[shard] || !edge_.own_events->has_room(kOwn, hub_of(store_id_, shard))) continue;
      tasks_.add(edge_.own_events
                     ->publish(kOwn, hub_of(store_id_, shard), std::string(GatewayAlive::kType),
                               to_json(GatewayAlive{.boot = boot_}))
                     .then([this, shard](const Result<void>& stored) {
                       if (stored) heard_by(shard);
                     }));
    }
    return say_that_we_are_alive();
  });
}

kj::Promise<void> PresenceReporter::watch_cluster() {
  return edge_.timer.afterDelay(kj_duration(kLookEvery)).then([this]() -> kj::Promise<void> {
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
  // Whoever was not registered for long may have been taken for vanished, by one who looks as seldom as this node does.
  const auto before = std::exchange(registrations_, report.cluster.registrations);
  const bool is_sure = registrations_ == before + 1 &&
                       report.cluster.absent + 2 * kLookEvery + kNewsTake < edge_.edge_limits.presence_grace;
  if (registrations_ > before && !is_sure) begin_anew();
  for (const auto& node : report.cluster.nodes) members_[node.member.store] = now;
  const bool controls = report.cluster.controller == report.cluster.self;
  std::erase_if(members_, [&](const auto& member) {
    const auto away = now - member.second;
    if (!controls || away < edge_.edge_limits.presence_grace) return away > kForgottenAfter;
    for (std::size_t shard = 0; shard < kShards; ++shard)
      if (!tell(member.first, shard, GatewayStarted{.boot = "vanished " + random_name()})) return false;
    return true;
  });
}

void PresenceReporter::taskFailed(kj::Exception&& failed) {
  spdlog::error("presence: {}", failed.getDescription().cStr());
}

}  // namespace carillon::actors
