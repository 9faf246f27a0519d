#include "cluster/placement.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace carillon::cluster {
namespace {

using Loads = std::map<NodeName, std::size_t>;

bool contains(const std::vector<NodeName>& nodes, const NodeName& node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

struct Move {
  std::size_t partition;
  NodeName from, to;
};

// How many copies each of `nodes` has; copies on others do not count.
Loads loads_of(const Assignment& assignment, const std::set<NodeName>& nodes) {
  Loads loads;
  for (const auto& node : nodes) loads[node] = 0;
  for (const auto& copies : assignment)
    for (const auto& node : copies)
      if (const auto found = loads.find(node); found != loads.end()) ++found->second;
  return loads;
}

// The copy that should move from the node with the most to the one with the fewest; nothing when that would only swap
// their roles. There always is one: who has more copies has one that the other has not.
std::optional<Move> levelling_move(const Assignment& assignment, const std::set<NodeName>& nodes) {
  const auto loads = loads_of(assignment, nodes);
  if (loads.empty()) return std::nullopt;
  const auto by_load = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto& [from, most] = *std::ranges::max_element(loads, by_load);
  const auto& [to, fewest] = *std::ranges::min_element(loads, by_load);
  if (most < fewest + 2) return std::nullopt;
  std::optional<Move> best;
  std::uint64_t best_score = 0;
  for (std::size_t p = 0; p < assignment.size(); ++p) {
    if (!contains(assignment[p], from) || contains(assignment[p], to)) continue;
    const auto score = rendezvous_score(to, {static_cast<std::uint16_t>(p)});
    if (best && score <= best_score) continue;
    best = Move{p, from, to};
    best_score = score;
  }
  return best;
}

// One exchange of the first in a partition, on a shortest way from a node that is first too often to one that is so at
// least two times less. Ways are needed because the two may share no partition. Each exchange either brings the numbers
// closer together or shortens the way, so that they end; and where each node has its share of copies, they end even.
std::optional<Move> levelling_lead(const Assignment& assignment, const std::set<NodeName>& nodes) {
  Loads leads;
  for (const auto& node : nodes) leads[node] = 0;
  for (const auto& copies : assignment)
    if (!copies.empty() && nodes.contains(copies.front())) ++leads[copies.front()];
  if (leads.empty()) return std::nullopt;
  std::set<std::size_t, std::greater<>> levels;
  for (const auto& [node, lead] : leads) levels.insert(lead);
  for (const auto level : levels) {
    std::vector<NodeName> found;  // Breadth first.
    for (const auto& [node, lead] : leads)
      if (lead == level) found.push_back(node);
    std::set<NodeName> seen(found.begin(), found.end());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto from = found[i];
      for (std::size_t p = 0; p < assignment.size(); ++p) {
        if (assignment[p].empty() || assignment[p].front() != from) continue;
        for (const auto& to : assignment[p]) {
          if (!nodes.contains(to) || !seen.insert(to).second) continue;
          if (leads[to] + 2 <= level) return Move{p, from, to};
          found.push_back(to);
        }
      }
    }
  }
  return std::nullopt;
}

void put_first(std::vector<NodeName>& nodes, const NodeName& node) {
  const auto at = std::ranges::find(nodes, node);
  CHECK(at != nodes.end());
  std::rotate(nodes.begin(), at, at + 1);
}

// One look at the cluster, from which the next step follows.
class Situation {
 public:
  Situation(const ClusterView& view, const std::set<NodeName>& gone, bool may_found_small,
            const PlacementSettings& settings, const std::set<NodeName>& unlinked, const std::set<Copy>& stuck)
      : view_(view),
        format_(view.format()->value),
        gone_(gone),
        may_found_small_(may_found_small),
        settings_(settings),
        unlinked_(unlinked),
        stuck_(stuck) {
    for (const auto& [node, member] : view.members()) {
      if (gives_up_all(node) || unlinked.contains(node)) continue;
      present_.insert(node);
      if (!view.draining().contains(node)) leaders_.insert(node);
    }
    keepers_ = present_;
    placed_.resize(format_.partitions);
    for (const auto& [partition, record] : view.partitions()) {
      if (partition.value >= format_.partitions) continue;
      for (const auto& node : record.value.replicas) {
        if (is_leaving(node)) continue;
        keepers_.insert(node);
        placed_[partition.value].push_back(node);
      }
    }
    loads_ = loads_of(placed_, keepers_);
  }

  std::optional<PlacementStep> next() const {
    if (auto step = found()) return step;
    if (view_.partitions().size() < format_.partitions) return std::nullopt;
    if (auto step = each(&Situation::relieve)) return step;
    if (auto step = each(&Situation::drop)) return step;
    if (under_way() >= settings_.moves_at_once) return std::nullopt;
    if (auto step = repair()) return step;
    // Who is away, restarts, or has a copy that does not get on, is waited for.
    if (keepers_ != present_ || leaders_ != present_ || under_way() > 0 || !stuck_.empty()) return std::nullopt;
    if (auto step = balance()) return step;
    return balance_primaries();
  }

 private:
  using Record = Versioned<PartitionRecord>;

  bool gives_up_all(const NodeName& node) const {
    const auto mark = view_.draining().find(node);
    return mark != view_.draining().end() && mark->second.value == Drain::kAll;
  }
  bool has_stuck(const NodeName& node) const {
    return std::ranges::any_of(stuck_, [&](const Copy& copy) { return copy.second == node; });
  }
  bool is_leaving(const NodeName& node) const { return gone_.contains(node) || gives_up_all(node); }
  bool may_not_lead(const NodeName& node) const { return gone_.contains(node) || view_.draining().contains(node); }
  bool is_ready(const NodeName& node, const PartitionRecord& record) const {
    const auto* member = view_.find_member(node);
    return member != nullptr && !unlinked_.contains(node) && record.is_in_sync({node, member->store});
  }

  std::optional<PlacementStep> each(std::optional<PlacementStep> (Situation::*look)(PartitionId, const Record&)
                                        const) const {
    for (const auto& [partition, record] : view_.partitions())
      if (partition.value < format_.partitions)
        if (auto step = (this->*look)(partition, record)) return step;
    return std::nullopt;
  }

  static PlacementStep step(PlacementStep::Kind kind, PartitionId partition, const Record& record, std::string reason) {
    return {kind, partition, record.revision, record.value, std::move(reason)};
  }

  std::optional<PlacementStep> found() const {
    if (present_.empty()) return std::nullopt;
    if (view_.partitions().empty() && present_.size() < format_.replicas && !may_found_small_) return std::nullopt;
    for (std::uint16_t p = 0; p < format_.partitions; ++p) {
      if (view_.find({p}) != nullptr || view_.unreadable().contains(view_.keys().partition({p}))) continue;
      PartitionRecord record{.epoch = 1,
                             .replicas = first_placement(format_.partitions, format_.replicas, present_)[p]};
      for (const auto& node : record.replicas) record.in_sync.push_back({node, view_.find_member(node)->store});
      record.primary = record.in_sync.front();
      return PlacementStep{PlacementStep::Kind::kFound, {p}, 0, std::move(record), "the partition is new"};
    }
    return std::nullopt;
  }

  // The one of `record` that can be first at once and is so least often. For a node that leaves, one that only restarts
  // is better than none.
  std::optional<NodeName> successor(const PartitionRecord& record, const NodeName& but) const {
    std::optional<NodeName> best;
    const auto leads_of = [&](const NodeName& node) {
      return std::ranges::count_if(view_.partitions(), [&](const auto& each) {
        const auto& replicas = each.second.value.replicas;
        return !replicas.empty() && replicas.front() == node;
      });
    };
    for (const auto& node : record.replicas) {
      if (node == but || !is_ready(node, record)) continue;
      if (!leaders_.contains(node) && !(is_leaving(but) && present_.contains(node))) continue;
      const auto rank = [&](const NodeName& one) { return std::pair(!leaders_.contains(one), leads_of(one)); };
      if (!best || rank(node) < rank(*best)) best = node;
    }
    return best;
  }

  std::optional<PlacementStep> wish(PartitionId partition, const Record& record, const NodeName& but,
                                    const std::string& reason) const {
    const auto to = successor(record.value, but);
    if (!to) return std::nullopt;
    auto made = step(PlacementStep::Kind::kWish, partition, record, reason + ": " + *to + " should be primary");
    put_first(made.record.replicas, *to);
    return made;
  }

  // Who drains or is gone should not be first; and who is asked to follow a draining primary must be able to.
  std::optional<PlacementStep> relieve(PartitionId partition, const Record& record) const {
    if (record.value.replicas.empty()) return std::nullopt;
    const auto& first = record.value.replicas.front();
    const auto& primary = record.value.primary.node;
    if (may_not_lead(first)) return wish(partition, record, first, first + " is to give up what it has");
    if (may_not_lead(primary) && !is_ready(first, record.value))
      return wish(partition, record, primary, primary + " is to give up what it has");
    return std::nullopt;
  }

  // One copy too many: first of who leaves, then of who has most.
  std::optional<PlacementStep> drop(PartitionId partition, const Record& record) const {
    const auto& replicas = record.value.replicas;
    if (replicas.size() <= format_.replicas) return std::nullopt;
    const auto may_follow = [&](const NodeName& node) {
      return leaders_.contains(node) || (is_leaving(record.value.primary.node) && present_.contains(node));
    };
    const auto is_in_sync = [&](const NodeName& node) {
      return std::ranges::any_of(record.value.in_sync, [&](const auto& one) { return one.node == node; });
    };
    const auto rank = [&](const NodeName& node) {
      const bool irreplaceable =
          node == record.value.primary.node &&
          std::ranges::none_of(replicas, [&](const auto& one) { return one != node && may_follow(one); });
      const auto load = loads_.find(node);
      return std::tuple(!irreplaceable, is_leaving(node), is_leaving(node) && !is_in_sync(node),
                        load == loads_.end() ? std::size_t(0) : load->second, ~rendezvous_score(node, partition));
    };
    const auto& surplus = *std::ranges::max_element(replicas, {}, rank);
    if (record.value.primary.node == surplus) {
      if (replicas.front() != surplus) return std::nullopt;  // It was asked to hand over.
      return wish(partition, record, surplus, surplus + " is to lose its copy");
    }
    const auto ready_without = std::ranges::count_if(
        replicas, [&](const auto& node) { return node != surplus && is_ready(node, record.value); });
    if (is_in_sync(surplus) && ready_without < format_.replicas) return std::nullopt;
    auto made = step(PlacementStep::Kind::kDrop, partition, record, surplus + " has a copy too many");
    std::erase(made.record.replicas, surplus);
    return made;
  }

  // Partitions of which a copy is being made or is to be dropped.
  std::size_t under_way() const {
    return static_cast<std::size_t>(std::ranges::count_if(view_.partitions(), [&](const auto& each) {
      const auto& record = each.second.value;
      bool moving = false, stuck = false;
      for (const auto& node : record.replicas)
        if (present_.contains(node) && !is_ready(node, record))
          (stuck_.contains({each.first, node}) ? stuck : moving) = true;
      return moving || (record.replicas.size() > format_.replicas && !stuck);
    }));
  }

  PlacementStep add(PartitionId partition, const NodeName& node, const std::string& reason) const {
    auto made = step(PlacementStep::Kind::kAdd, partition, *view_.find(partition), reason);
    made.record.replicas.push_back(node);
    return made;
  }

  // The partition with the fewest copies that stay is given one more.
  std::optional<PlacementStep> repair() const {
    std::optional<std::pair<std::size_t, NodeName>> best;  // Partition, and who is given it.
    for (std::size_t p = 0; p < placed_.size(); ++p) {
      if (placed_[p].size() >= format_.replicas || (best && placed_[best->first].size() <= placed_[p].size())) continue;
      const PartitionId partition{static_cast<std::uint16_t>(p)};
      const auto* record = view_.find(partition);
      if (record == nullptr) continue;
      std::optional<NodeName> to;
      const auto rank = [&](const NodeName& node) {
        return std::tuple(has_stuck(node), !leaders_.contains(node), loads_.at(node),
                          ~rendezvous_score(node, partition));
      };
      for (const auto& node : present_)
        if (!contains(record->value.replicas, node) && (!to || rank(node) < rank(*to))) to = node;
      if (to) best = {p, *to};
    }
    if (!best) return std::nullopt;
    return add({static_cast<std::uint16_t>(best->first)}, best->second,
               "only " + std::to_string(placed_[best->first].size()) + " copies stay");
  }

  std::optional<PlacementStep> balance() const {
    const auto move = levelling_move(placed_, present_);
    if (!move) return std::nullopt;
    return add({static_cast<std::uint16_t>(move->partition)}, move->to,
               move->to + " has " + std::to_string(loads_.at(move->to)) + " copies and " + move->from + " has " +
                   std::to_string(loads_.at(move->from)));
  }

  std::optional<PlacementStep> balance_primaries() const {
    Assignment able(placed_.size());  // Who could be primary at once.
    for (const auto& [partition, record] : view_.partitions()) {
      if (partition.value >= format_.partitions) continue;
      for (const auto& node : record.value.replicas)
        if (is_ready(node, record.value)) able[partition.value].push_back(node);
    }
    const auto move = levelling_lead(able, leaders_);
    if (!move) return std::nullopt;
    const PartitionId partition{static_cast<std::uint16_t>(move->partition)};
    auto made = step(PlacementStep::Kind::kWish, partition, *view_.find(partition),
                     move->from + " is primary too often: " + move->to + " should be");
    put_first(made.record.replicas, move->to);
    return made;
  }

  const ClusterView& view_;
  const ClusterFormat& format_;
  const std::set<NodeName>& gone_;
  bool may_found_small_;
  const PlacementSettings& settings_;
  const std::set<NodeName>& unlinked_;
  const std::set<Copy>& stuck_;
  std::set<NodeName> present_;  // Members that may be given copies.
  std::set<NodeName> leaders_;  // Those of them that may be primary.
  std::set<NodeName> keepers_;  // And those who are away, but not for long.
  Assignment placed_;           // Copies on keepers.
  Loads loads_;                 // Of them.
};

}  // namespace

std::uint64_t rendezvous_score(const NodeName& node, PartitionId partition) {
  return XXH3_64bits_withSeed(node.data(), node.size(), partition.value);
}

Assignment first_placement(std::uint16_t partitions, std::uint16_t replicas, const std::set<NodeName>& nodes) {
  CHECK(!nodes.empty());
  const auto copies = std::min<std::size_t>(replicas, nodes.size());
  const auto bound = (partitions * copies + nodes.size() - 1) / nodes.size();
  Assignment assignment(partitions);
  Loads loads;
  for (std::uint16_t p = 0; p < partitions; ++p) {
    std::vector<NodeName> order(nodes.begin(), nodes.end());
    // Whoever is full comes last: towards the end there may be too few others.
    std::ranges::sort(
        order, {}, [&](const NodeName& node) { return std::pair(loads[node] >= bound, ~rendezvous_score(node, {p})); });
    order.resize(copies);
    for (const auto& node : order) ++loads[node];
    assignment[p] = std::move(order);
  }
  while (const auto move = levelling_move(assignment, nodes))
    std::ranges::replace(assignment[move->partition], move->from, move->to);
  while (const auto move = levelling_lead(assignment, nodes)) put_first(assignment[move->partition], move->to);
  return assignment;
}

std::optional<PlacementStep> next_step(const ClusterView& view, const std::set<NodeName>& gone, bool may_found_small,
                                       const PlacementSettings& settings, const std::set<NodeName>& unlinked,
                                       const std::set<Copy>& stuck) {
  if (!view.format()) return std::nullopt;
  return Situation(view, gone, may_found_small, settings, unlinked, stuck).next();
}

std::set<Copy> copies_under_way(const ClusterView& view, const std::set<NodeName>& unlinked) {
  std::set<Copy> copies;
  for (const auto& [partition, record] : view.partitions())
    for (const auto& node : record.value.replicas) {
      const auto* member = view.find_member(node);
      if (member != nullptr && !unlinked.contains(node) && !record.value.is_in_sync({node, member->store}))
        copies.emplace(partition, node);
    }
  return copies;
}

bool may_control(const ClusterView& view, const NodeName& self, const std::set<NodeName>& unlinked) {
  std::set<NodeName> electorate;
  for (const auto& [partition, record] : view.partitions())
    for (const auto& node : record.value.replicas)
      if (view.find_member(node) != nullptr) electorate.insert(node);
  if (electorate.empty())
    for (const auto& [node, member] : view.members()) electorate.insert(node);
  const auto reached = static_cast<std::size_t>(
      std::ranges::count_if(electorate, [&](const auto& node) { return node == self || !unlinked.contains(node); }));
  if (2 * reached != electorate.size()) return 2 * reached > electorate.size();
  return !electorate.empty() && *electorate.begin() == self;
}

std::optional<ReplicaId> wished_hand_over(const PartitionRecord& record, const ClusterView& view) {
  if (record.replicas.empty() || record.replicas.front() == record.primary.node) return std::nullopt;
  const auto* member = view.find_member(record.replicas.front());
  if (member == nullptr) return std::nullopt;
  // Who is about to restart has just handed over, and the controller will wish for another one; only for who leaves for good
  // it is better than nobody.
  const auto leaving = view.draining().find(record.primary.node);
  const bool leaves = leaving != view.draining().end() && leaving->second.value == Drain::kAll;
  if (view.draining().contains(member->node) && !leaves) return std::nullopt;
  ReplicaId successor{member->node, member->store};
  if (!record.is_in_sync(successor)) return std::nullopt;
  return successor;
}

bool is_drained(const ClusterView& view, const NodeName& node) {
  const auto mark = view.draining().find(node);
  const bool of_all = mark != view.draining().end() && mark->second.value == Drain::kAll;
  for (const auto& [partition, versioned] : view.partitions()) {
    const auto& record = versioned.value;
    if (record.primary.node == node) return false;
    if (!of_all || !record.is_wanted(node)) continue;
    // It keeps its copy only where nobody else could take it.
    for (const auto& [other, member] : view.members()) {
      const auto other_mark = view.draining().find(other);
      const bool leaves = other_mark != view.draining().end() && other_mark->second.value == Drain::kAll;
      if (!leaves && !record.is_wanted(other)) return false;
    }
    if (view.format() && record.replicas.size() > view.format()->value.replicas) return false;
  }
  return true;
}

}  // namespace carillon::cluster
