// Three nodes and an etcd, by the real program: what clients and operators see of them.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "bench/server_process.h"
#include "runtime/json.h"
#include "tests/acceptance/arena_log.h"
#include "tests/acceptance/recorded_arena.h"
#include "tests/support/background_command.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_etcd.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kSettledWithin = 30s;

// Used by one thread, which must outlive it.
class RunningCluster {
 public:
  // Starts all and waits until every node is ready and has no problem: it reaches a primary of each partition.
  RunningCluster() {
    for (const char* name : {"ant", "bee", "cat"})
      nodes_.push_back(std::make_unique<bench::ServerProcess>(bench::ServerProcess::Options{
          .arguments = {"--cluster", "--etcd", "http://" + etcd_.endpoint(), "--node", name, "--partitions", "4"},
          .program = carillon_program()}));
    for (auto& node : nodes_) {
      const auto started = node->start();
      if (!started.ok()) ADD_FAILURE() << started.error().message;
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      EXPECT_TRUE(eventually(kSettledWithin, [&] { return get(i, "/readyz").status == 200; }))
          << get(i, "/readyz").body;
      EXPECT_TRUE(eventually(kSettledWithin, [&] { return status(i).problems.empty(); })) << status(i).text;
    }
  }

  RunningEtcd& etcd() { return etcd_; }
  bench::ServerProcess& node(std::size_t i) { return *nodes_.at(i); }
  std::size_t size() const { return nodes_.size(); }
  std::string rpc(std::size_t i) const { return nodes_.at(i)->address().text(); }
  HttpAnswer get(std::size_t i, std::string_view target) { return http_get(node(i).http_address(), target); }

  // What `carillon cluster status --json` says, asked of that node.
  struct Status {
    std::string text;
    std::vector<std::string> problems;
    std::vector<std::string> primaries;            // By partition.
    std::vector<std::uint64_t> in_sync;            // How many, by partition.
    std::vector<std::string> roles_of_all_copies;  // As the nodes themselves say.
  };
  Status status(std::size_t i) {
    Status status;
    status.text = run_carillon({"cluster", "status", "--json", "--connect", rpc(i)}).output;
    JsonDocument document;
    if (!document.parse(status.text).ok()) {
      status.problems.push_back("no JSON: " + status.text);
      return status;
    }
    const auto each = [](const std::optional<JsonValue>& list, const auto& visit) {
      for (std::size_t at = 0; list && at < list->size(); ++at) visit(list->element(at));
    };
    const auto word = [](const JsonValue& of, std::string_view name) {
      const auto found = of.find(name);
      return std::string(found ? found->as_string().value_or("") : "");
    };
    each(document.root().find("problems"), [&](auto one) { status.problems.push_back(word(one, "problem")); });
    each(document.root().find("partitions"), [&](auto one) {
      status.primaries.push_back(word(one, "primary"));
      status.in_sync.push_back(one.find("in_sync")->size());
      each(one.find("copies"), [&](auto copy) { status.roles_of_all_copies.push_back(word(copy, "role")); });
    });
    return status;
  }

 private:
  RunningEtcd etcd_;
  std::vector<std::unique_ptr<bench::ServerProcess>> nodes_;
};

class ClusterReplay : public WithArenaLog {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_ETCD();
    WithArenaLog::SetUp();
  }
};

TEST_P(ClusterReplay, P4EveryNotificationOfAReplayThroughOneNodeIsReadFromEveryNode) {
  // Given three nodes, and a log that is replayed through one of them.
  const ArenaModel model = model_of(log().path);
  RunningCluster cluster;
  const auto ran = run_carillon({"replay", "--connect", cluster.rpc(2), "--json", log().path});
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  // When every stream is read from each of the nodes.
  client::Session session;
  std::vector<RecordedArena> arenas;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    ASSERT_TRUE(session.connect(cluster.node(i).address()).ok());
    ASSERT_TRUE(folded(session, model));
    arenas.push_back(record(session, model));
  }
  // Then all have the same, to the byte, and nothing is missing.
  EXPECT_EQ(arenas[0].notifications(), log().notifications);
  for (const auto& [name, stream] : arenas[0].players) EXPECT_EQ(told(stream), model.told.at(name)) << name;
  EXPECT_EQ(arenas[1], arenas[0]);
  EXPECT_EQ(arenas[2], arenas[0]);
}

INSTANTIATE_TEST_SUITE_P(, ClusterReplay, ::testing::Values(kOwnLog, kRealLog), name_of_log);

class OperatedCluster : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_ETCD(); }
};

TEST_F(OperatedCluster, StatusTellsOfEveryCopyWhicheverNodeIsAsked) {
  // Given three nodes.
  RunningCluster cluster;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    // When one is asked how all stand.
    const auto status = cluster.status(i);
    // Then of each of the four partitions all three copies are in sync, one of them the primary, as they say themselves.
    EXPECT_THAT(status.in_sync, ::testing::ElementsAre(3u, 3u, 3u, 3u)) << status.text;
    EXPECT_EQ(std::ranges::count(status.roles_of_all_copies, "primary"), 4) << status.text;
    EXPECT_EQ(std::ranges::count(status.roles_of_all_copies, "in_sync"), 8) << status.text;
  }
  // And people are told the same.
  const auto text = run_carillon({"cluster", "status", "--connect", cluster.rpc(1)});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.output, AllOf(HasSubstr("cluster carillon, seen from bee: 3 nodes, 4 partitions"),
                                 Not(HasSubstr("UNDER-REPLICATED")), Not(HasSubstr("\x1b"))));
}

TEST_F(OperatedCluster, DrainWaitsUntilANodeHasHandedOverAndUndoBringsItBack) {
  // Given three nodes, of which each is the primary of something.
  RunningCluster cluster;
  ASSERT_THAT(cluster.status(0).primaries, ::testing::Contains("cat"));
  // When one is drained of its primaries, asked of another.
  const auto drained = run_carillon({"cluster", "drain", "cat", "--primaries", "--wait", "--connect", cluster.rpc(0)});
  // Then afterwards it is the primary of nothing and keeps its copies.
  EXPECT_EQ(drained.exit_code, 0) << drained.output;
  const auto status = cluster.status(1);
  EXPECT_THAT(status.primaries, Each(Not("cat"))) << status.text;
  EXPECT_THAT(status.in_sync, Each(3u)) << status.text;
  // Programs are told how far it is, here at once,
  const auto told =
      run_carillon({"cluster", "drain", "cat", "--primaries", "--wait", "--json", "--connect", cluster.rpc(0)});
  EXPECT_EQ(told.exit_code, 0) << told.output;
  EXPECT_THAT(told.output, HasSubstr(R"({"node":"cat","drain":"primaries","drained":true,"primaries":0,"copies":4})"));
  // And when that is undone it gets its share again.
  const auto undone = run_carillon({"cluster", "drain", "cat", "--undo", "--json", "--connect", cluster.rpc(1)});
  EXPECT_EQ(undone.exit_code, 0);
  EXPECT_EQ(undone.output, "{\"node\":\"cat\",\"drain\":\"nothing\"}\n");
  EXPECT_TRUE(eventually(kSettledWithin, [&] { return std::ranges::count(cluster.status(0).primaries, "cat") > 0; }))
      << cluster.status(0).text;
}

TEST_F(OperatedCluster, ANodeThatIsNoMemberIsNotDrained) {
  RunningCluster cluster;
  const auto ran = run_carillon({"cluster", "drain", "dan", "--connect", cluster.rpc(0)});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_THAT(ran.output, HasSubstr("not_found: no member of the cluster is called 'dan'"));
  const auto undone = run_carillon({"cluster", "drain", "dan", "--undo", "--connect", cluster.rpc(0)});
  EXPECT_EQ(undone.exit_code, 3);
  EXPECT_THAT(undone.output, HasSubstr("not_found"));
}

TEST_F(OperatedCluster, WithoutEtcdHealthSaysSoAndReadinessSurvives) {
  // Given three nodes.
  RunningCluster cluster;
  // When etcd is gone.
  cluster.etcd().kill();
  // Then every node says so sooner or later and stays ready,
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    EXPECT_TRUE(eventually(kSettledWithin, [&] {
      return cluster.get(i, "/healthz").body.find(R"("status":"degraded")") != std::string::npos;
    }));
    EXPECT_THAT(cluster.get(i, "/healthz").body, HasSubstr("etcd"));
    EXPECT_EQ(cluster.get(i, "/readyz").status, 200) << cluster.get(i, "/readyz").body;
    EXPECT_THAT(cluster.get(i, "/metrics").body, HasSubstr("\ncarillon_etcd_reachable 0"));
  }
  // and what needs no reconfiguration goes on.
  client::Session session;
  ASSERT_TRUE(session.connect(cluster.node(0).address()).ok());
  const client::Publication event{"player/ada", "note", "{}", 1};
  const auto answer = session.publish("somebody", {&event, 1});
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->getRefusals().size(), 0u);
  EXPECT_EQ(answer->getAccepted(), 1u);
}

TEST_F(OperatedCluster, ADeadNodeIsAProblemAndAMetricOfTheOthersThatStayReady) {
  // Given three nodes.
  RunningCluster cluster;
  EXPECT_THAT(cluster.get(0, "/metrics").body,
              AllOf(HasSubstr("\ncarillon_link_up{peer=\"cat\"} 1"), HasSubstr("\ncarillon_cluster_members 3"),
                    HasSubstr("\ncarillon_partitions_under_replicated 0"),
                    HasSubstr("\n# TYPE carillon_nominations_total counter"),
                    HasSubstr("\ncarillon_replicas{role=\"primary\"} ")));
  // When one dies.
  cluster.node(2).kill();
  // Then the others take over and are ready,
  EXPECT_TRUE(eventually(kSettledWithin, [&] {
    return cluster.get(0, "/metrics").body.find("\ncarillon_partitions_under_replicated 4") != std::string::npos;
  })) << cluster.get(0, "/metrics").body;
  EXPECT_TRUE(eventually(kSettledWithin, [&] { return cluster.get(0, "/readyz").status == 200; }))
      << cluster.get(0, "/readyz").body;
  EXPECT_THAT(cluster.get(0, "/metrics").body, HasSubstr("\ncarillon_link_up{peer=\"cat\"} 0"));
  // and say what is missing.
  EXPECT_THAT(cluster.get(0, "/healthz").body, HasSubstr("under-replicated"));
  const auto text = run_carillon({"cluster", "status", "--connect", cluster.rpc(1)});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.output, HasSubstr("UNDER-REPLICATED, 2 of 3 in sync"));
}

// Goal: nothing that is under way between actors is handed to what a stopping node has ended already.
// Method: questions all the time, and a way to every partition that is lost while its node stops.
TEST_F(OperatedCluster, AllNodesStopAtOnceAndWellWhileTheyAreAsked) {
  // Given three nodes that were given work, each of them watched.
  RunningCluster cluster;
  EXPECT_EQ(run_carillon({"replay", kOwnLog.path, "--connect", cluster.rpc(0)}).exit_code, 0);
  std::vector<std::unique_ptr<BackgroundCommand>> watches;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    watches.push_back(std::make_unique<BackgroundCommand>(
        std::vector<std::string>{"cluster", "watch", "--every", "10", "--connect", cluster.rpc(i)}));
    watches.back()->start();
  }
  for (const auto& watch : watches)
    ASSERT_TRUE(eventually(kSettledWithin, [&] { return watch->errors().find("watching") != std::string::npos; }));
  // When all are stopped.
  for (std::size_t i = 0; i < cluster.size(); ++i) ::kill(cluster.node(i).process(), SIGTERM);
  // Then each ends as it should.
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    const auto stopped = cluster.node(i).stop();
    EXPECT_TRUE(stopped.ok()) << stopped.error().message;
  }
}

// Runs `serve` on that store until it ends by itself.
Ran serve(const std::string& data, std::vector<std::string> more) {
  std::vector<std::string> words = {"serve", "--data", data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"};
  words.insert(words.end(), more.begin(), more.end());
  return run_carillon_at_most(20s, words);
}

TEST_F(OperatedCluster, AStoreOfAClusterIsNotServedByANodeAlone) {
  // Given a node of a cluster, stopped.
  RunningCluster cluster;
  ASSERT_TRUE(cluster.node(1).stop().ok());
  // When somebody forgets to say that it is one.
  const auto ran = serve(cluster.node(1).data_directory(), {});
  // Then it does not start, and says why.
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.output, HasSubstr("the store belongs to the cluster"));
}

TEST_F(OperatedCluster, AStoreThatANodeAloneHasFilledIsNotTakenIntoACluster) {
  // Given a node alone that has accepted something, stopped.
  RunningEtcd etcd;
  RunningNode node;
  node.publish_to_ledger(1);
  node.stop();
  // When it is to be the first of a cluster.
  const auto ran = serve(node.data(), {"--cluster", "--node", "ant", "--etcd", "http://" + etcd.endpoint()});
  // Then it does not start, and what it had is still served without one.
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.output, HasSubstr("filled by a node alone"));
  node.start();
  node.expect_sound();
}

TEST(LoneNode, IsAskedAboutAClusterInVain) {
  RunningNode node;
  for (const std::vector<std::string>& asked :
       {std::vector<std::string>{"status"}, std::vector<std::string>{"drain", "ant"}}) {
    std::vector<std::string> words = {"cluster"};
    words.insert(words.end(), asked.begin(), asked.end());
    words.insert(words.end(), {"--connect", node.rpc().text()});
    const auto ran = run_carillon(words);
    EXPECT_EQ(ran.exit_code, 3) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("unavailable: this node belongs to no cluster"));
  }
  EXPECT_EQ(http_get(node.http(), "/readyz").status, 200);
}

}  // namespace
}  // namespace carillon::testing
