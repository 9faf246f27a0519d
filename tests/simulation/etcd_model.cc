#include "tests/simulation/etcd_model.h"

#include <algorithm>
#include <utility>

namespace carillon::simulation {

using cluster::Replica;

EtcdModel::EtcdModel(World& world, std::vector<cluster::PartitionRecord> records, Changed changed)
    : world_(&world), won_(std::move(changed)) {
  for (auto& record : records) keys_.push_back({std::move(record), 1});
}

void EtcdModel::watch(const std::string& node, Watcher watcher) {
  auto& cut = cuts_.try_emplace(node, std::make_shared<Micros>(0)).first->second;
  // Watches lag, now and then by very much.
  const auto pace = world_->dice.pick<Micros>({200, 2'000, 20'000});
  clients_[node] = std::make_shared<Client>(Client{std::move(watcher), Inbox::make(*world_, pace, cut),
                                                   Inbox::make(*world_, world_->settings.network_pace, cut), cut});
  begin_watch(node);
}

bool EtcdModel::is_reachable(const Client& client) const {
  const auto now = world_->schedule.now();
  return now >= down_until_ && now >= *client.cut_until;
}

void EtcdModel::begin_watch(const std::string& node) {
  world_->schedule.after(world_->delay(1'000), [this, node, weak = std::weak_ptr(clients_[node])] {
    const auto client = weak.lock();
    if (!client) return;
    if (!is_reachable(*client)) return begin_watch(node);
    client->watching = true;
    for (std::uint16_t p = 0; p < keys_.size(); ++p)
      client->watch->send([key = keys_[p], p, at = client.get()] { at->watcher(p, key.record, key.revision); });
  });
}

void EtcdModel::forget(const std::string& node) { clients_.erase(node); }

void EtcdModel::swap(const std::string& node, std::uint16_t partition, const cluster::Proposal& proposal,
                     Answer answer) {
  const auto found = clients_.find(node);
  if (found == clients_.end()) return;
  const auto unknown = [this, answer, weak = std::weak_ptr(found->second)] {
    world_->count("swap without an answer");
    // A connection that was reset, or a deadline.
    const auto after =
        world_->dice.chance(0.5) ? world_->dice.between(500, 20'000) : world_->dice.between(50'000, 200'000);
    world_->schedule.after(after, [answer, weak] {
      if (!weak.expired()) answer(Replica::Swap::kUnknown, 0);
    });
  };
  const bool lost = !world_->calm && world_->dice.chance(0.05);
  if (!lost && !is_reachable(*found->second) && world_->dice.chance(0.5)) {
    // Nobody listens there, as far as can be told.
    world_->count("swap that was not sent");
    world_->schedule.after(world_->delay(world_->settings.network_pace), [answer, weak = std::weak_ptr(found->second)] {
      if (!weak.expired()) answer(Replica::Swap::kNotSent, 0);
    });
    return;
  }
  if (lost || !is_reachable(*found->second)) return unknown();
  world_->schedule.after(world_->delay(world_->settings.network_pace), [this, partition, proposal, answer, unknown,
                                                                        weak = std::weak_ptr(found->second)] {
    // Done although the one who asked may be gone meanwhile.
    if (world_->schedule.now() < down_until_) return unknown();
    auto& key = keys_[partition];
    const bool won = key.revision == proposal.based_on;
    if (won) {
      const auto before = key.record;
      key.record = proposal.record;
      key.revision = ++revision_;
      changed(partition);
      won_(before, key.record);
      std::string members;
      for (const auto& member : key.record.in_sync) members += " " + member.node;
      world_->tell("partition " + std::to_string(partition) + ": epoch " + std::to_string(key.record.epoch) +
                   ", primary " + key.record.primary.node + ", in sync" + members);
    }
    world_->count(won ? "swap won" : "swap lost");
    const auto client = weak.lock();
    if (!client) return;
    if (!world_->calm && world_->dice.chance(0.12)) return unknown();
    client->answers->send(
        [answer, won, revision = key.revision] { answer(won ? Replica::Swap::kWon : Replica::Swap::kLost, revision); });
  });
}

void EtcdModel::changed(std::uint16_t partition) {
  for (auto& [node, client] : clients_)
    if (client->watching)
      client->watch->send(
          [key = keys_[partition], partition, at = client.get()] { at->watcher(partition, key.record, key.revision); });
}

void EtcdModel::set_replicas(std::uint16_t partition, std::vector<std::string> replicas) {
  keys_[partition].record.replicas = std::move(replicas);
  keys_[partition].revision = ++revision_;
  changed(partition);
}

// While it is down, what watches have got already may still arrive.
void EtcdModel::down_until(Micros time) { down_until_ = std::max(down_until_, time); }

void EtcdModel::cut_until(const std::string& node, Micros time) {
  auto& cut = cuts_.try_emplace(node, std::make_shared<Micros>(0)).first->second;
  *cut = std::max(*cut, time);
}

void EtcdModel::mend() {
  down_until_ = 0;
  for (auto& [node, cut] : cuts_) *cut = 0;
}

}  // namespace carillon::simulation
