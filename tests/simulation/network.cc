#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace carillon::simulation {

Network::Network(World& world, std::size_t nodes, Find find, Notice notice)
    : world_(&world), nodes_(nodes), find_(std::move(find)), notice_(std::move(notice)) {
  for (NodeNumber one = 0; one < nodes; ++one)
    for (NodeNumber other = 0; other < nodes; ++other) {
      if (one == other) continue;
      blocked_[{one, other}] = std::make_shared<Micros>(0);
      links_[pair(one, other)].ends[one];
    }
}

Micros& Network::blocked_until(NodeNumber from, NodeNumber to) { return *blocked_.at({from, to}); }

void Network::send(NodeNumber from, NodeNumber to, std::uint64_t number, std::function<void(ClusterNode& at)> message) {
  auto& link = links_.at(pair(from, to));
  if (!link.connected || !link.ends.at(from).up || link.incarnation != number) return;
  link.ends.at(from).outgoing->send([this, to, message = std::move(message)] {
    if (auto* node = find_(to)) message(*node);
  });
}

void Network::node_started(NodeNumber node) {
  for (NodeNumber peer = 0; peer < nodes_; ++peer)
    if (peer != node) connect_later(node, peer);
}

void Network::node_died(NodeNumber node, bool soon) {
  for (NodeNumber peer = 0; peer < nodes_; ++peer) {
    if (peer == node) continue;
    links_.at(pair(node, peer)).ends.at(node).up = false;
    lose(node, peer, soon, soon);
  }
}

void Network::break_link(NodeNumber one, NodeNumber other) {
  if (!links_.at(pair(one, other)).connected) return;
  world_->count("link broken");
  const bool soon = world_->dice.chance(0.5);
  lose(one, other, soon, soon);
}

void Network::cut_off(NodeNumber node) {
  for (NodeNumber peer = 0; peer < nodes_; ++peer)
    if (peer != node && links_.at(pair(node, peer)).connected) lose(node, peer, false, true);
}

void Network::lose(NodeNumber one, NodeNumber other, bool one_soon, bool other_soon) {
  auto& link = links_.at(pair(one, other));
  link.connected = false;
  ++link.incarnation;
  for (auto& [node, end] : link.ends) {
    if (end.outgoing) end.outgoing->close();
    const auto peer = node == one ? other : one;
    const bool soon = node == one ? one_soon : other_soon;
    const auto late = world_->dice.between(100, soon ? 2'000 : 700'000);
    world_->schedule.after(late, [this, node = node, peer, one, other, incarnation = link.incarnation] {
      auto& lost = links_.at(pair(one, other));
      if (lost.incarnation != incarnation) return;
      if (std::exchange(lost.ends.at(node).up, false) && find_(node) != nullptr) notice_(node, peer, false, 0);
      connect_later(one, other);
    });
  }
}

void Network::connect_later(NodeNumber one, NodeNumber other) {
  auto& link = links_.at(pair(one, other));
  if (std::exchange(link.connecting, true)) return;
  world_->schedule.after(world_->dice.between(500, 50'000), [this, one, other] {
    auto& again = links_.at(pair(one, other));
    again.connecting = false;
    if (again.connected || find_(one) == nullptr || find_(other) == nullptr) return;
    const auto now = world_->schedule.now();
    const bool blocked = blocked_until(one, other) > now || blocked_until(other, one) > now;
    if (blocked || again.ends.at(one).up || again.ends.at(other).up) return connect_later(one, other);
    again.connected = true;
    ++again.incarnation;
    const auto pace = world_->calm ? Micros{20} : world_->settings.network_pace;
    for (auto& [node, end] : again.ends) {
      end.up = true;
      end.outgoing = Inbox::make(*world_, pace, blocked_.at({node, node == one ? other : one}));
    }
    notice_(one, other, true, again.incarnation);
    notice_(other, one, true, again.incarnation);
  });
}

void Network::block(NodeNumber from, NodeNumber to, Micros time) {
  auto& until = blocked_until(from, to);
  until = std::max(until, world_->schedule.now() + time);
  world_->count("direction blocked");
  if (world_->dice.chance(0.5))
    world_->schedule.after(world_->dice.between(0, 2 * time), [this, from, to] { break_link(from, to); });
}

void Network::mend() {
  for (auto& [link, until] : blocked_) *until = 0;
}

}  // namespace carillon::simulation
