// Links between the nodes of a simulated cluster: one for each pair, ordered in both directions.
//
// When a link breaks, what is on its way is lost, and each end learns of it when it does: until then it sends into the
// void. It is made again when both ends know. A direction may be blocked for a while without a break (TCP holds what is
// sent): afterwards what was held arrives, or the link breaks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "tests/simulation/inbox.h"

namespace carillon::simulation {

class ClusterNode;

class Network {
 public:
  using NodeNumber = std::size_t;
  // What the network tells a node: a link to `peer` works, or does not any more.
  // Each link that is made has another number.
  using Notice = std::function<void(NodeNumber node, NodeNumber peer, bool up, std::uint64_t link)>;
  // The node while it lives; null while it does not.
  using Find = std::function<ClusterNode*(NodeNumber node)>;

  Network(World& world, std::size_t nodes, Find find, Notice notice);

  // Of a life of `from`, by that link; lost when it is not there any more. Whoever has not heard yet that a link broke must
  // not go on by the next one as if nothing had been lost.
  void send(NodeNumber from, NodeNumber to, std::uint64_t link, std::function<void(ClusterNode& at)> message);

  void node_started(NodeNumber node);
  // Its links break; the others learn of it soon (the machine lives) or late.
  void node_died(NodeNumber node, bool soon);

  void break_link(NodeNumber one, NodeNumber other);
  // The others notice soon, the node itself late: as if it were stopped.
  void cut_off(NodeNumber node);
  void block(NodeNumber from, NodeNumber to, Micros time);
  void mend();

 private:
  using Pair = std::pair<NodeNumber, NodeNumber>;
  struct End {
    bool up = false;  // As this end believes.
    std::shared_ptr<Inbox> outgoing;
  };
  struct Link {
    std::uint64_t incarnation = 0;
    bool connected = false;
    bool connecting = false;
    std::map<NodeNumber, End> ends;
  };

  static Pair pair(NodeNumber one, NodeNumber other) { return std::minmax(one, other); }
  void lose(NodeNumber one, NodeNumber other, bool one_soon, bool other_soon);
  void connect_later(NodeNumber one, NodeNumber other);
  Micros& blocked_until(NodeNumber from, NodeNumber to);

  World* world_;
  std::size_t nodes_;
  Find find_;
  Notice notice_;
  std::map<Pair, Link> links_;
  std::map<Pair, std::shared_ptr<Micros>> blocked_;  // From, to.
};

}  // namespace carillon::simulation
