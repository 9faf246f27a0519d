#include "cluster/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace carillon::cluster {
namespace {

std::set<NodeName> first_nodes(std::size_t count) {
  static const std::vector<NodeName> kNames{"ant", "bee", "cat", "dan", "eel", "fox", "gnu"};
  return {kNames.begin(), kNames.begin() + static_cast<std::ptrdiff_t>(count)};
}

// How far the numbers of `nodes` are apart.
std::size_t spread(const std::map<NodeName, std::size_t>& numbers) {
  std::size_t least = SIZE_MAX, most = 0;
  for (const auto& [node, number] : numbers) least = std::min(least, number), most = std::max(most, number);
  return numbers.empty() ? 0 : most - least;
}

std::map<NodeName, std::size_t> copies(const Assignment& assignment, const std::set<NodeName>& nodes) {
  std::map<NodeName, std::size_t> numbers;
  for (const auto& node : nodes) numbers[node] = 0;
  for (const auto& one : assignment)
    for (const auto& node : one) ++numbers[node];
  return numbers;
}

std::map<NodeName, std::size_t> firsts(const Assignment& assignment, const std::set<NodeName>& nodes) {
  std::map<NodeName, std::size_t> numbers;
  for (const auto& node : nodes) numbers[node] = 0;
  for (const auto& one : assignment) ++numbers[one.front()];
  return numbers;
}

// A cluster whose nodes do as placement wishes, one small thing at a time, in any order, and whose etcd forgets nothing.
class PlayedCluster {
 public:
  PlayedCluster(std::uint16_t partitions, std::uint16_t replicas, std::uint64_t seed)
      : dice_(seed), replicas_(replicas) {
    const ClusterFormat format{
        .cluster_id = "played", .partitions = partitions, .replicas = replicas, .min_in_sync = 1};
    put(view_.keys().format(), encode(format));
  }

  const ClusterView& view() const { return view_; }
  std::set<NodeName> gone, unlinked;
  std::set<NodeName> full;  // Their disks take nothing more.
  std::set<Copy> stuck;

  void join(const NodeName& node, const std::string& store = "disk") {
    put(view_.keys().member(node), encode(Member{node, store, "p", "r", "h"}));
    gone.erase(node);
  }
  void leave(const NodeName& node) { erase(view_.keys().member(node)); }
  void drain(const NodeName& node, const std::string& what) { put(view_.keys().draining(node), what); }
  void undrain(const NodeName& node) { erase(view_.keys().draining(node)); }

  // Would each partition still have a living replica in sync without that node?
  bool can_spare(const NodeName& node) const {
    return std::ranges::all_of(view_.partitions(), [&](const auto& each) {
      return std::ranges::any_of(each.second.value.in_sync,
                                 [&](const auto& one) { return one.node != node && view_.is_present(one); });
    });
  }

  // The controller makes its next step, if there is one; what must hold of every step is checked.
  bool step() {
    const auto step = next_step(view_, gone, false, {}, unlinked, stuck);
    if (!step) return false;
    ++steps[step->kind];
    const auto* before = view_.find(step->partition);
    EXPECT_EQ(step->expected, before == nullptr ? 0 : before->revision);
    if (before != nullptr) check(*step, before->value);
    put(view_.keys().partition(step->partition), encode(step->record));
    return true;
  }

  // One node does one thing that is for it to do; false when there is nothing.
  bool act() {
    std::vector<PartitionId> order;
    for (const auto& [partition, record] : view_.partitions()) order.push_back(partition);
    std::ranges::shuffle(order, dice_);
    return std::ranges::any_of(order, [&](PartitionId partition) { return act_for(partition); });
  }

  void settle() {
    for (int round = 0; round < 20'000; ++round) {
      const bool acted = act();
      const bool stepped = step();
      if (!acted && !stepped) return;
    }
    FAIL() << "it never comes to rest";
  }

  // All there is, for whoever has to find out.
  std::string text() const {
    std::string text;
    for (const auto& [node, member] : view_.members()) text += node + " " + member.value.store + "\n";
    for (const auto& [node, mark] : view_.draining())
      text += "draining " + node + (mark.value == Drain::kAll ? "\n" : " of primaries\n");
    for (const auto& node : gone) text += "gone " + node + "\n";
    for (const auto& [partition, record] : view_.partitions())
      text += std::to_string(partition.value) + " " + encode(record.value) + "\n";
    return text;
  }

  Assignment assignment() const {
    Assignment assignment;
    for (const auto& [partition, record] : view_.partitions()) assignment.push_back(record.value.replicas);
    return assignment;
  }

  void expect_at_rest() const {
    std::set<NodeName> holders, leaders;
    for (const auto& [node, member] : view_.members()) {
      const auto mark = view_.draining().find(node);
      const bool marked = mark != view_.draining().end();
      if (!marked || mark->second.value == Drain::kPrimaries) holders.insert(node);
      if (!marked) leaders.insert(node);
    }
    std::map<NodeName, std::size_t> copies, primaries;
    for (const auto& node : holders) copies[node] = 0;
    for (const auto& node : leaders) primaries[node] = 0;
    for (const auto& [partition, versioned] : view_.partitions()) {
      SCOPED_TRACE("partition " + std::to_string(partition.value));
      const auto& record = versioned.value;
      std::size_t living = 0;
      for (const auto& node : record.replicas) {
        if (copies.contains(node)) ++copies[node], ++living;
        const bool present = view_.find_member(node) != nullptr;
        EXPECT_TRUE(!present || record.is_in_sync({node, store_of(node)})) << node;
      }
      EXPECT_GE(living, std::min<std::size_t>(replicas_, holders.size()));
      EXPECT_LE(record.replicas.size(), replicas_);
      if (leaders.empty()) continue;
      const bool can_lead =
          std::ranges::any_of(record.replicas, [&](const auto& node) { return leaders.contains(node); });
      if (!can_lead) continue;
      EXPECT_EQ(record.primary.node, record.replicas.front());
      EXPECT_TRUE(leaders.contains(record.primary.node)) << record.primary.node;
      ++primaries[record.primary.node];
    }
    if (leaders == holders && holders.size() >= replicas_) {
      EXPECT_LE(spread(copies), 1u);
      EXPECT_LE(spread(primaries), 1u);
    }
    for (const auto& [node, mark] : view_.draining()) {
      const bool leaves = mark.value == Drain::kAll;  // Who only restarts leads on where nobody else has a copy.
      EXPECT_TRUE(!leaves || leaders.size() < replicas_ || is_drained(view_, node)) << node;
    }
  }

  std::map<PlacementStep::Kind, std::size_t> steps;

  // One of its copies is not in sync any more.
  void lose_copy(const NodeName& node) {
    for (const auto& [partition, versioned] : view_.partitions()) {
      auto record = versioned.value;
      const auto before = record.in_sync.size();
      std::erase_if(record.in_sync, [&](const auto& one) { return one.node == node && one != record.primary; });
      if (record.in_sync.size() == before) continue;
      ++record.epoch;
      return put(view_.keys().partition(partition), encode(record));
    }
  }
  std::size_t copies_on(const NodeName& node) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(view_.partitions(), [&](const auto& each) { return each.second.value.is_wanted(node); }));
  }

 private:
  void put(const std::string& key, const std::string& value) {
    ++revision_;
    (void)view_.apply(WatchBatch{.changes = {{EtcdEntry{key, value, revision_, 0}, false}}, .revision = revision_});
  }
  void erase(const std::string& key) {
    ++revision_;
    (void)view_.apply(WatchBatch{.changes = {{EtcdEntry{key, "", revision_, 0}, true}}, .revision = revision_});
  }
  std::string store_of(const NodeName& node) const { return view_.find_member(node)->store; }

  void check(const PlacementStep& step, const PartitionRecord& before) const {
    // Placement touches nothing but `replicas`.
    auto same = step.record;
    same.replicas = before.replicas;
    EXPECT_EQ(same, before);
    const auto& now = step.record.replicas;
    if (step.kind == PlacementStep::Kind::kAdd) {
      ASSERT_EQ(now.size(), before.replicas.size() + 1);
      EXPECT_NE(view_.find_member(now.back()), nullptr);
    } else if (step.kind == PlacementStep::Kind::kWish) {
      EXPECT_TRUE(std::ranges::is_permutation(now, before.replicas));
      EXPECT_NE(now.front(), before.replicas.front());
      EXPECT_TRUE(before.is_in_sync({now.front(), store_of(now.front())}));
    } else {
      ASSERT_EQ(step.kind, PlacementStep::Kind::kDrop);
      ASSERT_EQ(now.size() + 1, before.replicas.size());
      // One that nominated itself after its copy was given up is not wanted before either.
      EXPECT_TRUE(step.record.is_wanted(before.primary.node) || !before.is_wanted(before.primary.node));
      const auto in_sync = [&](const std::vector<NodeName>& nodes) {
        return static_cast<std::size_t>(std::ranges::count_if(before.in_sync, [&](const auto& one) {
          return view_.is_present(one) && std::ranges::find(nodes, one.node) != nodes.end();
        }));
      };
      // What is in sync does not become less, unless enough remains.
      EXPECT_TRUE(in_sync(now) >= replicas_ || in_sync(now) == in_sync(before.replicas));
    }
  }

  bool act_for(PartitionId partition) {
    auto record = view_.find(partition)->value;
    const auto before = record;
    if (!view_.is_present(record.primary)) {
      const auto successor =
          std::ranges::find_if(record.in_sync, [&](const auto& one) { return view_.is_present(one); });
      if (successor == record.in_sync.end()) return false;
      const auto old = record.primary;
      record.primary = *successor;
      std::erase(record.in_sync, old);
    } else if (const auto to = wished_hand_over(record, view_)) {
      record.primary = *to;
    } else {
      std::erase_if(record.in_sync, [&](const auto& one) {
        return one != record.primary && (!record.is_wanted(one.node) || !view_.is_present(one));
      });
      if (record == before)
        for (const auto& node : record.replicas)
          if (view_.find_member(node) != nullptr && !full.contains(node) &&
              !record.is_in_sync({node, store_of(node)})) {
            record.in_sync.push_back({node, store_of(node)});
            break;
          }
    }
    if (record == before) return false;
    ++record.epoch;
    put(view_.keys().partition(partition), encode(record));
    return true;
  }

  std::mt19937_64 dice_;
  std::size_t replicas_;
  ClusterView view_{"played"};
  Revision revision_ = 0;
};

TEST(Placement, TheFirstOneIsEven) {
  for (const std::uint16_t partitions : {1, 8, 64, 100})
    for (const std::uint16_t replicas : {1, 2, 3})
      for (std::size_t count = 1; count <= 7; ++count) {
        const auto nodes = first_nodes(count);
        const auto assignment = first_placement(partitions, replicas, nodes);
        SCOPED_TRACE(::testing::Message() << partitions << " partitions, " << replicas << " replicas, " << count);
        EXPECT_LE(spread(copies(assignment, nodes)), 1u);
        EXPECT_LE(spread(firsts(assignment, nodes)), 1u);
        for (const auto& one : assignment)
          EXPECT_EQ(std::set(one.begin(), one.end()).size(), std::min<std::size_t>(replicas, count));
      }
}

TEST(Placement, AFourthNodeIsGivenAQuarterOfTheReplicasAndNothingElseMoves) {
  for (const std::uint16_t partitions : {8, 64})
    for (const std::uint16_t replicas : {2, 3}) {
      SCOPED_TRACE(::testing::Message() << partitions << " partitions, " << replicas << " replicas");
      PlayedCluster cluster(partitions, replicas, 1);
      for (const auto& node : first_nodes(3)) cluster.join(node);
      cluster.settle();
      const auto before = cluster.assignment();
      cluster.steps.clear();
      // When a fourth comes.
      cluster.join("dan");
      cluster.settle();
      // Then a quarter is its share, each copy was moved once, and no two others exchanged any.
      cluster.expect_at_rest();
      const auto share = static_cast<std::size_t>(partitions * replicas / 4);
      EXPECT_EQ(cluster.steps[PlacementStep::Kind::kAdd], share);
      EXPECT_EQ(cluster.steps[PlacementStep::Kind::kDrop], share);
      const auto after = cluster.assignment();
      for (std::size_t p = 0; p < after.size(); ++p)
        for (const auto& node : after[p])
          EXPECT_TRUE(node == "dan" || std::ranges::find(before[p], node) != before[p].end());
    }
}

TEST(Placement, NothingIsFoundedBeforeThereAreEnoughNodesUnlessTheyWaitedLongEnough) {
  PlayedCluster cluster(4, 3, 1);
  EXPECT_FALSE(next_step(cluster.view(), {}, true));  // Nobody is there.
  cluster.join("ant");
  cluster.join("bee");
  EXPECT_FALSE(next_step(cluster.view(), {}, false));
  const auto step = next_step(cluster.view(), {}, true);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->kind, PlacementStep::Kind::kFound);
  EXPECT_EQ(step->record.epoch, 1u);
  EXPECT_EQ(step->record.in_sync.size(), 2u);
}

TEST(Placement, ANodeThatIsAwayForAMomentIsWaitedForAndOneThatIsGoneIsReplaced) {
  PlayedCluster cluster(8, 3, 1);
  for (const auto& node : first_nodes(4)) cluster.join(node);
  cluster.settle();
  const auto before = cluster.assignment();
  cluster.leave("ant");
  while (cluster.act()) {
  }
  EXPECT_FALSE(next_step(cluster.view(), {}, false));
  cluster.gone = {"ant"};
  cluster.settle();
  cluster.expect_at_rest();
  EXPECT_NE(cluster.assignment(), before);
  for (const auto& one : cluster.assignment()) EXPECT_EQ(std::ranges::count(one, "ant"), 0);
}

TEST(Placement, P1WhatIsLostIsReplacedAlthoughAnotherCopyDoesNotGetOn) {
  // Given a node whose disk takes nothing more, and therefore a copy that never comes in sync.
  PlayedCluster cluster(8, 3, 1);
  for (const auto& node : first_nodes(4)) cluster.join(node);
  cluster.settle();
  cluster.lose_copy("bee");
  cluster.full = {"bee"};
  cluster.settle();
  // When another node is gone for good, then that copy is waited for as long as it may only take its time,
  cluster.leave("cat");
  cluster.gone = {"cat"};
  cluster.settle();
  EXPECT_GT(cluster.copies_on("cat"), 0u);
  // and no longer. What has to go to the full disk, for want of another, is waited for in turn.
  for (int i = 0; i < 20; ++i) {
    cluster.stuck = copies_under_way(cluster.view(), {});
    cluster.settle();
  }
  EXPECT_EQ(cluster.copies_on("cat"), 0u);
}

TEST(Placement, P9AMemberWithoutALinkIsGivenNothing) {
  PlayedCluster cluster(8, 3, 1);
  for (const auto& node : first_nodes(3)) cluster.join(node);
  cluster.settle();
  const auto copies_of_zoe = [&] {
    std::ptrdiff_t copies = 0;
    for (const auto& one : cluster.assignment()) copies += std::ranges::count(one, "zoe");
    return copies;
  };
  // Given a fourth member that the others do not let in: there is nothing to do,
  cluster.join("zoe");
  cluster.unlinked = {"zoe"};
  EXPECT_FALSE(cluster.step());
  // and it is given nothing even when a copy is missing for good.
  cluster.leave("cat");
  cluster.gone = {"cat"};
  cluster.settle();
  EXPECT_EQ(copies_of_zoe(), 0);
  // Once there is a link, it takes all that is missing.
  cluster.unlinked.clear();
  cluster.settle();
  EXPECT_EQ(copies_of_zoe(), 8);
}

TEST(Placement, P9AMemberWithoutALinkTakesNoPartInFounding) {
  PlayedCluster cluster(4, 3, 1);
  for (const auto& node : first_nodes(3)) cluster.join(node);
  cluster.join("zoe");
  EXPECT_FALSE(next_step(cluster.view(), {}, false, {}, {"cat", "zoe"}));
  const auto step = next_step(cluster.view(), {}, false, {}, {"zoe"});
  ASSERT_TRUE(step);
  EXPECT_THAT(step->record.replicas, testing::UnorderedElementsAre("ant", "bee", "cat"));
}

TEST(Placement, P8P9OnlyWhoHasLinksToMostMayControl) {
  PlayedCluster cluster(8, 2, 1);
  EXPECT_FALSE(may_control(cluster.view(), "ant", {}));  // No member yet.
  cluster.join("ant");
  EXPECT_TRUE(may_control(cluster.view(), "ant", {}));
  // Of two without a link the first: somebody must.
  cluster.join("bee");
  EXPECT_TRUE(may_control(cluster.view(), "ant", {"bee"}));
  EXPECT_FALSE(may_control(cluster.view(), "bee", {"ant"}));
  EXPECT_TRUE(may_control(cluster.view(), "bee", {}));
  // Members that hold nothing have no say, however many.
  cluster.settle();
  for (const auto& stranger : {"aaa", "yan", "zoe"}) cluster.join(stranger);
  EXPECT_TRUE(may_control(cluster.view(), "bee", {"aaa", "yan", "zoe"}));
  EXPECT_FALSE(may_control(cluster.view(), "aaa", {"ant", "bee"}));
}

TEST(Placement, DrainingForARestartMovesPrimariesOnly) {
  PlayedCluster cluster(8, 2, 1);
  for (const auto& node : first_nodes(4)) cluster.join(node);
  cluster.settle();
  cluster.steps.clear();
  EXPECT_FALSE(is_drained(cluster.view(), "ant"));
  cluster.drain("ant", "primaries");
  cluster.settle();
  EXPECT_TRUE(is_drained(cluster.view(), "ant"));
  EXPECT_EQ(cluster.steps[PlacementStep::Kind::kAdd], 0u);
  EXPECT_GT(cluster.steps[PlacementStep::Kind::kWish], 0u);
  // And back: it gets its share again.
  cluster.undrain("ant");
  cluster.settle();
  cluster.expect_at_rest();
}

// Goal: whatever comes and goes, placement ends even, and on the way drops nothing that is needed.
// Method: random joins, leaves, returns (some with an empty disk), drains; steps and nodes' own acts in between, in any
// order; then everybody who is away is gone for good, and it must come to rest.
TEST(Placement, P1AnySequenceOfJoinsLeavesAndDrainsEndsEvenAndNeverDropsWhatIsNeeded) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 dice(seed);
    const auto below = [&](std::uint64_t end) { return dice() % end; };
    const auto replicas = static_cast<std::uint16_t>(1 + below(3));
    const auto partitions = static_cast<std::uint16_t>(1 + below(16));
    PlayedCluster cluster(partitions, replicas, seed);
    for (const auto& node : first_nodes(replicas + below(3))) cluster.join(node);
    int disks = 0;
    const auto all = first_nodes(7);
    for (int event = 0; event < 25; ++event) {
      const auto node = *std::next(all.begin(), static_cast<std::ptrdiff_t>(below(all.size())));
      const bool present = cluster.view().find_member(node) != nullptr;
      switch (below(6)) {
        case 0:
        case 1:
          if (!present) cluster.join(node);
          break;
        case 2:
          if (present && cluster.can_spare(node)) cluster.leave(node);
          break;
        case 3:
          if (present && cluster.can_spare(node))
            cluster.leave(node), cluster.join(node, "disk " + std::to_string(++disks));
          break;
        case 4:
          cluster.drain(node, below(2) == 0 ? "all" : "primaries");
          break;
        case 5:
          if (below(2) == 0)
            cluster.undrain(node);
          else if (!present)
            cluster.gone.insert(node);
          break;
      }
      for (auto some = below(20); some > 0; --some) below(2) == 0 ? (void)cluster.act() : (void)cluster.step();
    }
    for (const auto& node : all)
      if (cluster.view().find_member(node) == nullptr) cluster.gone.insert(node);
    cluster.settle();
    cluster.expect_at_rest();
    if (HasFailure()) {
      ADD_FAILURE() << cluster.text();
      return;
    }
  }
}

}  // namespace
}  // namespace carillon::cluster
