#include "cli/cluster_report.h"

#include <capnp/message.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "runtime/json.h"

namespace carillon::cli {
namespace {

using actors::cluster_json;
using actors::ClusterViews;
using actors::Holding;
using actors::holding_of;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Names = std::vector<std::string>;

struct Partition {
  std::uint64_t epoch;
  std::string primary;
  Names in_sync, replicas;
};

// What one node of a cluster of ant, bee and cat tells: by default all is well.
struct Told {
  std::string node = "ant";
  Names nodes = {"ant", "bee", "cat"};
  std::string controller = "bee";
  bool etcd = true;
  Names unlinked;
  std::map<std::string, wire::Drain> drains;
  Names drained;
  std::vector<Partition> partitions = {{3, "ant", {"ant", "bee", "cat"}, {"ant", "bee", "cat"}},
                                       {1, "bee", {"bee", "cat", "ant"}, {"bee", "cat", "ant"}}};
  // Of the partitions whose primary this node is.
  std::uint64_t lag_of_cat = 0;
  bool cat_has_more = false;
  Names problems;
};

template <class List>
void fill(List list, const Names& names) {
  for (unsigned i = 0; i < names.size(); ++i) list.set(i, names[i].c_str());
}

class ClusterReport : public ::testing::Test {
 protected:
  wire::Cluster::Reader told(const Told& by) {
    auto cluster = messages_.emplace_back().initRoot<wire::Cluster>();
    cluster.setName("carillon");
    cluster.setId("4711");
    cluster.setNode(by.node);
    cluster.setController(by.controller);
    cluster.setEtcdReachable(by.etcd);
    cluster.setReplicas(3);
    cluster.setMinInSync(2);
    auto nodes = cluster.initNodes(static_cast<unsigned>(by.nodes.size()));
    for (unsigned i = 0; i < by.nodes.size(); ++i) {
      const auto& name = by.nodes[i];
      nodes[i].setName(name);
      nodes[i].setRpc(name + ":7411");
      nodes[i].setLinked(std::ranges::find(by.unlinked, name) == by.unlinked.end());
      if (by.drains.contains(name)) nodes[i].setDrain(by.drains.at(name));
      nodes[i].setDrained(std::ranges::find(by.drained, name) != by.drained.end());
    }
    auto partitions = cluster.initPartitions(static_cast<unsigned>(by.partitions.size()));
    auto replicas = cluster.initOwnReplicas(static_cast<unsigned>(by.partitions.size()));
    for (unsigned i = 0; i < by.partitions.size(); ++i) {
      const auto& partition = by.partitions[i];
      partitions[i].setNumber(static_cast<std::uint16_t>(i));
      partitions[i].setEpoch(partition.epoch);
      partitions[i].setPrimary(partition.primary);
      fill(partitions[i].initInSync(static_cast<unsigned>(partition.in_sync.size())), partition.in_sync);
      fill(partitions[i].initReplicas(static_cast<unsigned>(partition.replicas.size())), partition.replicas);
      replicas[i].setPartition(static_cast<std::uint16_t>(i));
      replicas[i].setLogEnd(100);
      replicas[i].setCommit(99);
      replicas[i].setApplied(98);
      const bool primary = partition.primary == by.node;
      replicas[i].setRole(primary ? wire::Role::PRIMARY : wire::Role::IN_SYNC);
      replicas[i].setReady(primary);
      if (!primary) continue;
      auto backup = replicas[i].initBackups(1)[0];
      backup.setNode("cat");
      backup.setInSync(std::ranges::find(partition.in_sync, "cat") != partition.in_sync.end());
      backup.setLinked(true);
      backup.setLagEntries(by.lag_of_cat);
      backup.setKeepsMissingEntries(by.cat_has_more);
    }
    fill(cluster.initProblems(static_cast<unsigned>(by.problems.size())), by.problems);
    return cluster.asReader();
  }

  Names texts(const Told& before, const Told& after) {
    Names lines;
    for (const auto& change : cluster_changes(told(before), told(after), 1'709'209'845'007)) {
      EXPECT_TRUE(check_json_object(change.json).ok()) << change.json;
      EXPECT_THAT(change.text, ::testing::StartsWith("2024-02-29T12:30:45.007Z  "));
      lines.push_back(change.text.substr(26));
    }
    return lines;
  }

 private:
  std::deque<capnp::MallocMessageBuilder> messages_;  // What readers read.
};

TEST_F(ClusterReport, AStatusIsOneScreenOfNodesAndPartitions) {
  // Given a cluster in which all is well.
  const ClusterViews views{told({}), {{"bee", told({.node = "bee"})}, {"cat", told({.node = "cat"})}}};
  // When it is shown.
  const auto text = cluster_text(views, false, {});
  // Then every node and partition has its line, and nothing is remarked.
  EXPECT_THAT(text, AllOf(HasSubstr("cluster carillon, seen from ant: 3 nodes, 2 partitions\n"),
                          HasSubstr("3 copies wanted, 2 must be in sync; etcd answers, placement is controlled by bee"),
                          HasSubstr("  cat     cat:7411                          up           0       2  ok\n"),
                          HasSubstr("          0       3  ant      bee cat         0\n"),
                          HasSubstr("          1       1  bee      cat ant         0\n")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("UNDER-REPLICATED")), Not(HasSubstr("problems"))));
}

TEST_F(ClusterReport, AStatusMarksWhatIsUnderReplicatedAndWhoseCopyIsBehind) {
  // Given one partition of which cat is no longer in sync, and one that has ant alone.
  Told sad;
  sad.partitions = {{4, "ant", {"ant", "bee"}, {"ant", "bee", "cat"}}, {9, "ant", {"ant"}, {"ant", "bee", "cat"}}};
  sad.lag_of_cat = 1'234;
  sad.unlinked = {"cat"};
  sad.problems = {"partition 1 accepts nothing"};
  const ClusterViews views{told(sad),
                           {{"bee", told({.node = "bee"})}, {"cat", Error{ErrorCode::UNAVAILABLE, "nobody there"}}}};
  // When it is shown.
  const auto text = cluster_text(views, false, {});
  // Then each is marked, with how far cat is behind, and the problems stand below.
  EXPECT_THAT(text, AllOf(HasSubstr("cat 1,234  UNDER-REPLICATED, 2 of 3 in sync"),
                          HasSubstr("cat 1,234  ACCEPTS NOTHING, 1 of 3 in sync"), HasSubstr("lost"),
                          HasSubstr("does not answer\n"), HasSubstr("  ant     partition 1 accepts nothing\n"),
                          HasSubstr("  cat     did not answer: nobody there\n")));
}

TEST_F(ClusterReport, P1AStatusSaysOfABackupThatItHasMoreThanItsPrimary) {
  Told torn{.lag_of_cat = 1'234, .cat_has_more = true};
  torn.partitions = {{4, "ant", {"ant", "bee"}, {"ant", "bee", "cat"}}};
  EXPECT_THAT(cluster_text({told(torn), {}}, false, {}), HasSubstr("cat has more  UNDER-REPLICATED"));
}

TEST_F(ClusterReport, AStatusShowsWhereLogsEndWhenThePrimaryIsNotHeardOf) {
  // Given the two nodes that are left when a primary is gone.
  const Error gone{ErrorCode::UNAVAILABLE, "nobody there"};
  const ClusterViews views{told({.node = "bee"}), {{"ant", gone}, {"cat", told({.node = "cat"})}}};
  // Then it is seen whose copy goes furthest.
  EXPECT_THAT(cluster_text(views, false, {}), HasSubstr("bee's log ends at 100, cat's log ends at 100\n"));
}

TEST_F(ClusterReport, OfManyPartitionsOnlyThoseWithARemarkAreListedUnlessAllAreWanted) {
  // Given a hundred partitions, one of them under-replicated.
  Told many;
  many.partitions.assign(100, {1, "ant", {"ant", "bee", "cat"}, {"ant", "bee", "cat"}});
  many.partitions[42].in_sync = {"ant", "cat"};
  const ClusterViews views{told(many), {}};
  // When it is shown, in short and whole.
  const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
  const auto text = cluster_text(views, false, {});
  // Then the short one is one screen.
  EXPECT_THAT(text, AllOf(HasSubstr("         42"), HasSubstr("99 other partitions are well (--all lists them)")));
  EXPECT_LT(lines(text), 24);
  EXPECT_GT(lines(cluster_text(views, true, {})), 100);
}

TEST_F(ClusterReport, AStatusAsJsonSaysWhatEachReplicaSaysOfItself) {
  // Given two nodes that answer and one that does not.
  Told ant;
  ant.lag_of_cat = 7;
  const ClusterViews views{told(ant),
                           {{"bee", told({.node = "bee"})}, {"cat", Error{ErrorCode::UNAVAILABLE, "nobody there"}}}};
  // When the status is asked for as JSON.
  const auto json = cluster_json(views);
  // Then it is one object on one line,
  ASSERT_TRUE(check_json_object(json).ok()) << json;
  EXPECT_THAT(json, Not(HasSubstr("\n")));
  // with roles, lag, and who is not heard of.
  EXPECT_THAT(
      json,
      AllOf(
          HasSubstr(R"("cluster":"carillon","id":"4711","asked":"ant","controller":"bee","etcd_reachable":true)"),
          HasSubstr(R"({"partition":0,"epoch":3,"primary":"ant","in_sync":["ant","bee","cat"],)"
                    R"("replicas":["ant","bee","cat"],"under_replicated":false,"accepts":true,"copies":[)"
                    R"({"node":"ant","role":"primary","ready":true,"epoch":0,"log_end":100,"commit":99,"applied":98},)"
                    R"({"node":"bee","role":"in_sync","ready":false,"epoch":0,"log_end":100,"commit":99,"applied":98},)"
                    R"({"node":"cat","role":null,"lag_entries":7,"copying":false,"keeps_missing_entries":false}]})"),
          HasSubstr(R"({"node":"cat","problem":"did not answer: nobody there"})")));
}

TEST_F(ClusterReport, NothingChangedIsNoChange) { EXPECT_THAT(texts({}, {}), IsEmpty()); }

TEST_F(ClusterReport, AFailOverIsAPrimaryThatMovedAndAReplicaNoLongerInSync) {
  Told after;
  after.partitions[0] = {4, "bee", {"bee", "cat"}, {"ant", "bee", "cat"}};
  EXPECT_THAT(texts({}, after),
              ElementsAre("partition 0, epoch 4: primary ant -> bee", "partition 0, epoch 4: ant no longer in sync"));
}

TEST_F(ClusterReport, APlacementStepAndARestartedPrimaryAreOneChangeEach) {
  Told after;
  after.partitions[0].replicas.emplace_back("dan");
  after.partitions[1].epoch = 2;
  EXPECT_THAT(texts({}, after), ElementsAre("partition 0, epoch 3: dan to have a copy",
                                            "partition 1, epoch 2: bee begins again as primary"));
}

TEST_F(ClusterReport, NodesThatComeGoAndDrainAreNamed) {
  Told after;
  after.nodes = {"ant", "bee", "dan"};
  after.drains = {{"bee", wire::Drain::EVERYTHING}};
  after.drained = {"bee"};
  after.controller = "";
  after.etcd = false;
  EXPECT_THAT(texts({}, after),
              ElementsAre("etcd does not answer", "node cat is no member any more", "node bee is to give up all",
                          "node bee is drained: it has given up what it can", "node dan is a member, rpc dan:7411",
                          "nobody controls placement"));
}

TEST_F(ClusterReport, ADrainAsJsonSaysWhatWasAskedAndHowFarItIs) {
  EXPECT_EQ(drain_json("bee", wire::Drain::NOTHING), R"({"node":"bee","drain":"nothing"})");
  Told of;
  of.drains = {{"bee", wire::Drain::EVERYTHING}};
  const auto cluster = told(of);
  EXPECT_EQ(drain_json(cluster.getNodes()[1], holding_of(cluster, "bee")),
            R"({"node":"bee","drain":"everything","drained":false,"primaries":1,"copies":2})");
}

TEST_F(ClusterReport, LinksAreComparedOnlyAsSeenFromTheSameNode) {
  Told lost, elsewhere;
  lost.unlinked = elsewhere.unlinked = {"cat"};
  elsewhere.node = "bee";
  EXPECT_THAT(texts({}, lost), ElementsAre("link from ant to cat is lost"));
  EXPECT_THAT(texts({}, elsewhere), IsEmpty());
}

TEST_F(ClusterReport, WhatANodeHoldsIsWhatIsWantedOrInSyncThere) {
  // Given a partition that cat is to have, and one that it is to give up and is still in sync of.
  Told of;
  of.partitions = {{1, "ant", {"ant", "bee"}, {"ant", "bee", "cat"}}, {1, "cat", {"cat", "ant"}, {"ant", "bee"}}};
  EXPECT_EQ(holding_of(told(of), "cat"), (Holding{.primaries = 1, .copies = 2}));
}

}  // namespace
}  // namespace carillon::cli
