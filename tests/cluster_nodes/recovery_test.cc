// All disks that had everything of a partition are lost: an operator begins again from an older copy, and says so.
#include <gmock/gmock.h>

#include <arpa/inet.h>
#include <kj/io.h>
#include <sys/socket.h>

#include <filesystem>
#include <future>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/running_cluster.h"
#include "tests/support/running_etcd.h"
#include "tests/support/running_node.h"
#include "tests/support/temporary_directory.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* kEntity = "player/ada";
constexpr std::size_t kAnt = 0, kBee = 1, kCat = 2;

class LostDisks : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_ETCD(); }

  // Publishes until it is accepted, through `node`.
  static void publish(RunningCluster& cluster, std::size_t node, Sequence sequence) {
    const client::Publication event{kEntity, "note", "{}", sequence};
    EXPECT_TRUE(eventually(20s,
                           [&] {
                             auto& session = cluster.session();
                             if (!session.connected() && !session.connect(cluster.node(node).address()).ok())
                               return false;
                             const auto answer = session.publish("writer", {&event, 1});
                             return answer.ok() && answer->getAccepted() + answer->getDuplicates() == 1;
                           }))
        << "event " << sequence;
  }
  static Offset last_offset(RunningCluster& cluster, std::size_t node) {
    Offset last = 0;
    EXPECT_TRUE(eventually(20s, [&] {
      if (!cluster.session().connect(cluster.node(node).address()).ok()) return false;
      const auto page = cluster.session().read(kEntity, 1, 1'000);
      if (page.ok()) last = page->getLastOffset();
      return page.ok();
    }));
    return last;
  }
  static Ran recover(RunningCluster& cluster, std::uint16_t partition, const std::string& from, bool accept_loss) {
    std::vector<std::string> arguments = {"cluster",
                                          "recover-partition",
                                          std::to_string(partition),
                                          "--from",
                                          from,
                                          "--etcd",
                                          "http://" + cluster.processes().etcd().endpoint()};
    if (accept_loss) arguments.insert(arguments.end(), {"--accept-loss", "--json"});
    return run_carillon(arguments);
  }
};

TEST_F(LostDisks, P1P8APartitionBeginsAgainFromAnOlderCopyOnlyWhenAPersonSaysSo) {
  constexpr std::uint16_t kPartitions = 4;
  RunningCluster cluster({.partitions = kPartitions});
  const auto of_ada = EntityId::parse(kEntity)->partition_of(kPartitions).value;
  // Given one event that three nodes have, and one that cat has missed,
  publish(cluster, kAnt, 1);
  cluster.kill(kCat);
  cluster.await_left_out(kCat);
  publish(cluster, kAnt, 2);
  EXPECT_THAT(recover(cluster, of_ada, "bee", true).output, HasSubstr("nothing need be lost"));
  // when bee is away and the only node that is left in sync loses its disk,
  cluster.kill(kBee);
  cluster.await_left_out(kBee);
  cluster.kill(kAnt);
  cluster.processes().wipe(kAnt);
  for (const auto node : {kAnt, kBee, kCat}) cluster.start(node);
  // then nobody takes over by himself, and nothing is done without saying that the loss is meant.
  const auto asked = recover(cluster, of_ada, "cat", false);
  EXPECT_EQ(asked.exit_code, 2);
  EXPECT_THAT(asked.output, HasSubstr("--accept-loss"));
  const auto before = cluster.processes().records();
  ASSERT_TRUE(before.ok());
  EXPECT_EQ(before->at({of_ada}).primary.node, "ant");
  // Begun again from cat, which missed the second event,
  for (std::uint16_t partition = 0; partition < kPartitions; ++partition) {
    const auto done = recover(cluster, partition, partition == of_ada ? "cat" : "bee", true);
    EXPECT_EQ(done.exit_code, 0) << done.output;
    EXPECT_THAT(done.output, HasSubstr("{\"partition\":" + std::to_string(partition) + ",\"from\":\"")) << done.output;
    EXPECT_THAT(done.output, HasSubstr("\"lost\":[\""));
  }
  cluster.await_in_sync();
  // that is what all nodes show, also bee, which had it,
  for (const auto node : {kAnt, kBee, kCat}) EXPECT_EQ(last_offset(cluster, node), 1u);
  // and it goes on from there: its producer's window is cat's as well.
  publish(cluster, kBee, 2);
  publish(cluster, kBee, 3);
  for (const auto node : {kAnt, kBee, kCat}) EXPECT_EQ(last_offset(cluster, node), 3u);
  const auto primary = cluster.primary_of(kEntity);
  cluster.kill(primary);
  cluster.await_successor(kEntity, primary);
  EXPECT_EQ(last_offset(cluster, (primary + 1) % 3), 3u);
}

// --- An etcd that has forgotten something.

TEST_F(LostDisks, P1P8AfterAnEtcdWasRestoredNoEpochComesAgain) {
  RunningCluster cluster;
  auto& etcd = cluster.processes().etcd();
  // Given a snapshot of etcd,
  publish(cluster, kAnt, 1);
  etcd.kill();
  const TemporaryDirectory snapshot;
  std::filesystem::copy(etcd.data_directory(), snapshot.path(), std::filesystem::copy_options::recursive);
  ASSERT_TRUE(etcd.start().ok());
  // and in-sync sets and primaries that have changed since, with events in the epochs that came of that.
  for (const auto node : {kCat, kAnt}) {
    cluster.kill(node);
    cluster.await_left_out(node);
    publish(cluster, kBee, node == kCat ? 2 : 3);
    cluster.start(node);
    cluster.await_in_sync();
  }
  // When all nodes stop, etcd is restored, and told so,
  for (const auto node : {kAnt, kBee, kCat}) cluster.kill(node);
  etcd.kill();
  std::filesystem::remove_all(etcd.data_directory());
  std::filesystem::copy(snapshot.path(), etcd.data_directory(), std::filesystem::copy_options::recursive);
  ASSERT_TRUE(etcd.start().ok());
  const auto raised = run_carillon({"cluster", "raise-epochs", "--etcd", "http://" + etcd.endpoint()});
  EXPECT_EQ(raised.exit_code, 0) << raised.output;
  EXPECT_THAT(raised.output, HasSubstr("4 partitions begin a new epoch"));
  const auto again = run_carillon({"cluster", "raise-epochs", "--json", "--etcd", "http://" + etcd.endpoint()});
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("{\"partition\":3,\"epoch\":"));
  // then all go on with what they had.
  for (const auto node : {kAnt, kBee, kCat}) cluster.start(node);
  cluster.await_in_sync();
  for (const auto node : {kAnt, kBee, kCat}) EXPECT_EQ(last_offset(cluster, node), 3u);
  publish(cluster, kBee, 4);
  for (const auto node : {kAnt, kBee, kCat}) EXPECT_EQ(last_offset(cluster, node), 4u);
}

// --- An etcd that comes up late, as after a power cut of all machines.

// Until somebody has connected to that port of this machine, who is then hung up on.
void await_a_caller(std::uint16_t port) {
  const kj::AutoCloseFd listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  ASSERT_EQ(bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listening.get(), 1), 0);
  const timeval patience{60, 0};
  setsockopt(listening.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const kj::AutoCloseFd caller(accept(listening.get(), nullptr, nullptr));
  EXPECT_GE(caller.get(), 0);
}

TEST(LateEtcd, ANewNodeWaitsForIt) {
  SKIP_WITHOUT_ETCD();
  // Given an etcd that is away.
  std::promise<std::string> endpoint;
  std::promise<void> over;
  std::thread etcd_thread([&] {
    RunningEtcd etcd;
    etcd.kill();
    endpoint.set_value(etcd.endpoint());
    await_a_caller(etcd.client_port());
    etcd.start();
    over.get_future().wait();
  });
  // When a node starts that has no store yet and has asked in vain,
  const TemporaryDirectory directory;
  bench::ServerProcess node({.parent_directory = directory.path(),
                             .data_directory = directory.path() / "ant",
                             .arguments = {"--cluster", "--etcd", "http://" + endpoint.get_future().get(), "--node",
                                           "ant", "--partitions", "4", "--replicas", "1", "--min-in-sync", "1"},
                             .program = carillon_program()});
  // then it comes up once etcd is there.
  const auto started = node.start();
  EXPECT_TRUE(started.ok()) << started.error().message;
  over.set_value();
  etcd_thread.join();
}

}  // namespace
}  // namespace carillon::testing
