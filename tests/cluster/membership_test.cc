// Nodes of one cluster, against a real etcd.
#include "cluster/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "cluster/controller.h"
#include "tests/cluster/etcd_test.h"
#include "tests/support/raw_socket.h"

namespace carillon::cluster {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A node as far as etcd sees it.
struct Node {
  std::set<PartitionId> told;  // Of changed records.
  Membership membership;
  Controller controller;

  Node(EtcdClient& etcd, kj::Timer& timer, Membership::Options options, Controller::Options control)
      : membership(etcd, timer, std::move(options),
                   [this](const ClusterChanges& changes) {
                     told.insert(changes.partitions.begin(), changes.partitions.end());
                   }),
        controller(membership, timer, control, [](const PlacementStep&) {}) {}
};

class MembershipTest : public EtcdTest {
 protected:
  static Membership::Options options(const NodeName& node, const std::string& store,
                                     const std::string& cluster_id = "") {
    return {.cluster = "home",
            .self = {node, store, node + ":1", node + ":2", node + ":3"},
            .cluster_id = cluster_id,
            .founding = {.partitions = 8, .replicas = 2, .min_in_sync = 1},
            .lease_ttl = std::chrono::seconds(1)};
  }
  kj::Own<Node> node(Membership::Options options) {
    const auto linked = [this, self = options.self.node](const NodeName& other) {
      ++looked_;
      return !cut_off_.contains(self) && !cut_off_.contains(other);
    };
    return kj::heap<Node>(*client_, timer(), std::move(options),
                          Controller::Options{.look_every = std::chrono::milliseconds(20),
                                              .found_small_after = std::chrono::milliseconds(60'000),
                                              .linked = linked,
                                              .resign_after = std::chrono::milliseconds(50)});
  }
  ClusterFormat joined(Node& node) {
    auto format = wait(node.membership.join());
    EXPECT_TRUE(format.ok()) << format.error().message;
    return format.ok() ? *format : ClusterFormat{};
  }
  std::string refusal(Node& node) {
    const auto format = wait(node.membership.join());
    return format.ok() ? "none" : format.error().message;
  }

  std::set<NodeName> cut_off_;  // From the other nodes, not from etcd.
  int looked_ = 0;              // How often controllers have looked at a link.
};

TEST_F(MembershipTest, TheFirstFoundsTheClusterAndTheOthersJoinIt) {
  auto ant = node(options("ant", "s1")), bee = node(options("bee", "s2"));
  // Both at once.
  auto first = ant->membership.join(), second = bee->membership.join();
  const auto one = wait(kj::mv(first)), other = wait(kj::mv(second));
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_EQ(*one, *other);
  EXPECT_EQ(one->cluster_id.size(), 32u);
  EXPECT_TRUE(eventually([&] {
    return ant->membership.view().is_present({"bee", "s2"}) && bee->membership.view().is_present({"ant", "s1"});
  }));
  EXPECT_TRUE(ant->membership.etcd_reachable());
  EXPECT_THAT(ant->membership.problems(), IsEmpty());
}

TEST_F(MembershipTest, P8ANodeOfAnotherClusterIsRefused) {
  auto ant = node(options("ant", "s1"));
  const auto format = joined(*ant);
  auto stranger = node(options("bee", "s2", "0123456789abcdef"));
  EXPECT_THAT(refusal(*stranger), HasSubstr("belongs to the cluster 0123456789abcdef"));
  auto other_size = options("bee", "s2");
  other_size.store_partitions = 64;
  EXPECT_THAT(refusal(*node(other_size)), HasSubstr("64 partitions, but the cluster has 8"));
  auto bee = node(options("bee", "s2", format.cluster_id));
  EXPECT_EQ(joined(*bee), format);
}

TEST_F(MembershipTest, P8ANodeWhoseClusterIsGoneFoundsNoOther) {
  auto ant = node(options("ant", "s1", "0123456789abcdef"));
  EXPECT_THAT(refusal(*ant), HasSubstr("etcd holds no cluster named home"));
  EXPECT_EQ(wait(client_->range("/carillon/"))->entries.size(), 0u);
}

TEST_F(MembershipTest, ASecondLivingNodeOfTheSameNameIsRefused) {
  auto ant = node(options("ant", "s1"));
  joined(*ant);
  auto impostor = node(options("ant", "s2"));
  EXPECT_THAT(refusal(*impostor), HasSubstr("there is a living node named ant with another store (s1"));
  EXPECT_TRUE(ant->membership.view().is_present({"ant", "s1"}));
}

TEST_F(MembershipTest, ANodeThatDiedTakesItsNameBackAtOnceAndWithAnotherDiskOnceItsLeaseIsOver) {
  {
    auto ant = node(options("ant", "s1"));
    joined(*ant);
  }  // Dies without a word.
  {
    auto again = node(options("ant", "s1"));
    joined(*again);
  }
  auto wiped = node(options("ant", "s2"));
  joined(*wiped);
  EXPECT_TRUE(eventually([&] { return wiped->membership.view().is_present({"ant", "s2"}); }));
}

TEST_F(MembershipTest, WhoDiesOrLeavesIsNoMemberAnyMore) {
  auto ant = node(options("ant", "s1")), bee = node(options("bee", "s2")), cat = node(options("cat", "s3"));
  joined(*ant);
  joined(*bee);
  joined(*cat);
  ASSERT_TRUE(eventually([&] { return ant->membership.view().members().size() == 3; }));
  bee = nullptr;
  wait(cat->membership.leave());
  EXPECT_TRUE(eventually([&] { return ant->membership.view().members().size() == 1; }));
}

TEST_F(MembershipTest, StaysThroughAnEtcdThatIsAwayAndRegistersAnew) {
  auto ant = node(options("ant", "s1"));
  joined(*ant);
  ASSERT_TRUE(eventually([&] { return ant->membership.view().is_present({"ant", "s1"}); }));
  // When etcd is away: that is known, and the view stays.
  etcd_->kill();
  ASSERT_TRUE(eventually([&] { return !ant->membership.etcd_reachable(); }));
  EXPECT_FALSE(ant->membership.problems().empty());
  EXPECT_TRUE(ant->membership.view().is_present({"ant", "s1"}));
  EXPECT_EQ(wait(ant->membership.swap({0}, 0, {.epoch = 1, .primary = {"ant", "s1"}, .in_sync = {{"ant", "s1"}}})).kind,
            WriteOutcome::Kind::kNotSent);
  // And back: all is well by itself, also after the lease was lost.
  etcd_->start();
  EXPECT_TRUE(eventually([&] { return ant->membership.etcd_reachable() && ant->membership.lease() != 0; }));
  const auto lost = ant->membership.lease();
  ASSERT_TRUE(wait(client_->revoke_lease(lost)).ok());
  EXPECT_TRUE(eventually([&] {
    const auto lease = ant->membership.lease();
    return lease != 0 && lease != lost && ant->membership.view().is_present({"ant", "s1"});
  }));
}

TEST_F(MembershipTest, P8AnEtcdThatLostTheClusterIsNotWrittenTo) {
  auto ant = node(options("ant", "s1"));
  joined(*ant);
  etcd_->wipe();
  etcd_->start();
  EXPECT_TRUE(eventually([&] { return !ant->membership.view().format(); }));
  const auto outcome =
      wait(ant->membership.swap({0}, 0, {.epoch = 1, .primary = {"ant", "s1"}, .in_sync = {{"ant", "s1"}}}));
  EXPECT_EQ(outcome.kind, WriteOutcome::Kind::kNotSent);
  EXPECT_THAT(outcome.error.message, HasSubstr("not the one this node belongs to"));
  EXPECT_EQ(wait(client_->range("/carillon/home/partitions/"))->entries.size(), 0u);
}

TEST_F(MembershipTest, P8TheLoserOfASwapIsToldTheRecordThatWon) {
  auto ant = node(options("ant", "s1")), bee = node(options("bee", "s2"));
  joined(*ant);
  joined(*bee);
  ASSERT_TRUE(eventually([&] { return bee->membership.view().format().has_value(); }));
  const PartitionRecord first{.epoch = 1, .primary = {"ant", "s1"}, .in_sync = {{"ant", "s1"}}, .replicas = {"ant"}};
  const auto won = wait(ant->membership.swap({0}, 0, first));
  ASSERT_EQ(won.kind, WriteOutcome::Kind::kDone);
  EXPECT_EQ(ant->membership.view().find({0})->revision, won.revision);
  const auto lost = wait(bee->membership.swap({0}, 0, first));
  ASSERT_EQ(lost.kind, WriteOutcome::Kind::kLost);
  EXPECT_TRUE(bee->told.contains({0})) << "the watch has nothing newer to tell of";
  ASSERT_TRUE(lost.current);
  EXPECT_EQ(lost.current->value, first);
  EXPECT_EQ(lost.current->revision, won.revision);
}

TEST_F(MembershipTest, OneNodeControlsPlacementAndAnotherTakesOver) {
  auto ant = node(options("ant", "s1")), bee = node(options("bee", "s2"));
  joined(*ant);
  ant->controller.start();
  joined(*bee);
  bee->controller.start();
  // The cluster is founded once there are as many nodes as replicas.
  ASSERT_TRUE(eventually([&] { return bee->membership.view().partitions().size() == 8; }));
  EXPECT_TRUE(ant->controller.is_controller());
  EXPECT_FALSE(bee->controller.is_controller());
  // When the controller dies, the other one follows it, and makes its steps: a drain asks for a hand-over.
  ant = nullptr;
  ASSERT_TRUE(eventually([&] { return bee->controller.is_controller(); }));
  auto again = node(options("ant", "s1"));
  joined(*again);
  ASSERT_TRUE(wait(again->membership.set_draining("ant", Drain::kPrimaries)).ok());
  EXPECT_TRUE(eventually([&] {
    return std::ranges::all_of(bee->membership.view().partitions(),
                               [](const auto& each) { return each.second.value.replicas.front() == "bee"; });
  }));
}

TEST_F(MembershipTest, P7AControllerThatCannotReadARecordAsksForItNowAndThen) {
  auto ant = node(options("ant", "s1")), bee = node(options("bee", "s2"));
  joined(*ant);
  joined(*bee);
  ant->controller.start();
  const auto& view = ant->membership.view();
  ASSERT_TRUE(eventually([&] { return view.partitions().size() == 8; }));
  // Given records that an operator has overwritten,
  for (std::uint16_t p = 0; p < 8; ++p) written(client_->put(view.keys().partition({p}), "garbage"));
  ASSERT_TRUE(eventually([&] { return view.unreadable().size() == 8; }));
  // when the controller wants them changed.
  ASSERT_TRUE(wait(ant->membership.set_draining("bee", Drain::kPrimaries)).ok());
  looked_ = 0;
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually([&] { return looked_ >= 60; }));
  // Then it does not ask as fast as etcd answers, but at most three times with every look, of which there is one in 20 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(300));
}

TEST_F(MembershipTest, P7AnEtcdThatTakesNothingInIsToldOfAndAskedNowAndThen) {
  const client::Address address{"127.0.0.1", etcd_->client_port()};
  const auto alarm = [&](const std::string& action) {
    const auto body = R"({"action":")" + action + R"(","memberID":"0","alarm":"NOSPACE"})";
    return carillon::testing::http(address,
                                   "POST /v3/maintenance/alarm HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n"
                                   "Content-Length: " +
                                       std::to_string(body.size()) + "\r\n\r\n" + body)
        .status;
  };
  // Given an etcd whose disk is full: it answers what is read.
  ASSERT_EQ(alarm("ACTIVATE"), 200);
  // When a node would found a cluster,
  auto ant = node(options("ant", "s1"));
  auto joining = ant->membership.join().eagerlyEvaluate(nullptr);
  // then a person can see why it does not,
  EXPECT_TRUE(eventually([&] {
    const auto problems = ant->membership.problems();
    return std::ranges::any_of(problems,
                               [](const auto& problem) { return problem.find("space") != std::string::npos; });
  }));
  // and it does once there is room.
  ASSERT_EQ(alarm("DEACTIVATE"), 200);
  EXPECT_TRUE(wait(kj::mv(joining)).ok());
}

TEST_F(MembershipTest, WhoHasMarkedANodeForDrainingSeesTheMarkAtOnce) {
  auto ant = node(options("ant", "s1"));
  joined(*ant);
  for (int round = 0; round < 20; ++round) {
    const auto drain = round % 2 == 0 ? Drain::kPrimaries : Drain::kAll;
    ASSERT_TRUE(wait(ant->membership.set_draining("ant", drain)).ok());
    const auto& marks = ant->membership.view().draining();
    ASSERT_TRUE(marks.contains("ant")) << round;
    ASSERT_EQ(marks.at("ant").value, drain) << round;
  }
}

TEST_F(MembershipTest, P8P9AControllerThatIsCutOffFromTheOthersLeavesTheControlToThem) {
  auto ant = node(options("ant", "s1")), bee = node(options("bee", "s2")), cat = node(options("cat", "s3"));
  joined(*ant);
  ant->controller.start();
  joined(*bee);
  joined(*cat);
  ASSERT_TRUE(eventually([&] { return cat->membership.view().partitions().size() == 8; }));
  bee->controller.start();
  cut_off_ = {"ant"};
  EXPECT_TRUE(eventually([&] { return bee->controller.is_controller() && !ant->controller.is_controller(); }));
}

}  // namespace
}  // namespace carillon::cluster
