// The port where nodes meet, and those who have no business there: refused, and nothing else is disturbed.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/cluster_nodes/load.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_etcd.h"
#include "tests/support/running_node.h"
#include "tests/support/temporary_directory.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;

client::Address address_of(const std::string& text) { return client::Address::parse(text).value(); }

class PeerPort : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_ETCD(); }

  static std::vector<client::Address> peer_ports(RunningCluster& cluster) {
    std::vector<client::Address> ports;
    const auto members = cluster.processes().members();
    EXPECT_TRUE(members.ok());
    for (const auto& member : *members) ports.push_back(address_of(member.peer));
    return ports;
  }
  // Lets the load go on for a while.
  static void go_on(client::Session& session, std::chrono::milliseconds time) {
    session.wait_at_most(time, kj::Promise<void>(kj::NEVER_DONE));
  }
  std::string file_with(const std::string& name, const std::string& content) const {
    const auto path = (directory.path() / name).string();
    std::ofstream(path) << content << '\n';
    return path;
  }
  static std::string log_of(RunningCluster& cluster, std::size_t node) {
    std::ifstream file(cluster.node(node).log());
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryDirectory directory;
};

TEST_F(PeerPort, P7P9GarbageAndOversizedFramesDisturbNobody) {
  RunningCluster cluster;
  under_load(cluster, [&] {
    // Given everything but a node at every peer port, under load.
    const std::string zeros(1 << 20, '\0'), ones(1 << 20, '\xff');
    for (const auto& port : peer_ports(cluster))
      for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\n\r\n"), zeros, ones, std::string("\x01")}) {
        RawSocket socket(port);
        ASSERT_TRUE(socket.connected());
        std::ignore = socket.send(bytes);
        socket.end();
      }
    // And a crowd that says nothing.
    std::vector<RawSocket> silent;
    for (int i = 0; i < 100; ++i) silent.emplace_back(peer_ports(cluster)[0]);
    go_on(cluster.session(), 500ms);
    // Then nobody was left out meanwhile,
    const auto all = cluster.processes().records();
    ASSERT_TRUE(all.ok());
    for (const auto& [partition, record] : *all) EXPECT_EQ(record.in_sync.size(), 3u);
  });  // and the ledger balances.
  for (std::size_t node = 0; node < 3; ++node) EXPECT_NE(cluster.node(node).process(), 0);
}

TEST_F(PeerPort, AnAddressAtWhichNobodyCanBeReachedIsRefusedAtOnce) {
  const auto refused = run_carillon({"serve", "--cluster", "--etcd", "http://127.0.0.1:1", "--node", "ant", "--data",
                                     (directory.path() / "ant").string(), "--secret-file",
                                     file_with("secret", "what all nodes know"), "--peer", "0.0.0.0:0"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.output, ::testing::HasSubstr("--advertise"));
}

TEST_F(PeerPort, P9ANodeWithAnotherSecretIsGivenNothingAndDisturbsNobody) {
  RunningCluster cluster(
      {.arguments = {"--secret-file", file_with("secret", "what all nodes know"), "--replace-after", "1"}});
  // Given a node that found its way to etcd, but does not know the secret, and comes first by its name.
  bench::ServerProcess stranger(
      {.parent_directory = directory.path(),
       .data_directory = directory.path() / "aaa",
       .arguments = {"--cluster", "--etcd", "http://" + cluster.processes().etcd().endpoint(), "--node", "aaa",
                     "--partitions", "4", "--secret-file", file_with("wrong", "what nobody else knows")},
       .program = carillon_program()});
  const auto expect_given_nothing = [&] {
    const auto all = cluster.processes().records();
    ASSERT_TRUE(all.ok());
    for (const auto& [partition, record] : *all) {
      EXPECT_FALSE(record.is_wanted("aaa")) << "partition " << partition.value;
      EXPECT_NE(record.primary.node, "aaa") << "partition " << partition.value;
    }
  };
  under_load(cluster, [&] {
    const auto started = stranger.start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    // Then the others refuse it, and whoever asks one of them is told so and why.
    ASSERT_TRUE(cluster.session().connect(cluster.node(1).address()).ok());
    EXPECT_TRUE(eventually(10s, [&] {
      const auto answer = cluster.session().cluster();
      if (!answer.ok()) return false;
      for (const auto problem : answer->getCluster().getProblems()) {
        const std::string_view text = problem.cStr();
        if (text.find("no link to node aaa") != text.npos && text.find("secret") != text.npos) return true;
      }
      return false;
    })) << log_of(cluster, 1);
    expect_given_nothing();
    // When a node is missed for so long that somebody should take what it held, and with it the controller may be gone,
    cluster.kill(0);
    cluster.await_left_out(0);
    go_on(cluster.session(), 6s);  // Longer than a lease and the patience with a node that is away.
    // then not even then it is given anything.
    expect_given_nothing();
    cluster.start(0);
    cluster.await_in_sync();
    expect_given_nothing();
  });
}

TEST_F(PeerPort, P8P9ANodeOfAnotherClusterIsRefusedAndDisturbsNobody) {
  // Given two clusters, of which one is told in etcd that a node of the other is one of its own.
  RunningCluster cluster, other({.nodes = 1, .partitions = 4, .session = &cluster.session()});
  const auto foreign = other.processes().members();
  ASSERT_TRUE(foreign.ok());
  auto pretender = foreign->front();
  pretender.node = "zoe";
  under_load(cluster, [&] {
    const auto pretended = cluster.processes().pretend(pretender);
    ASSERT_TRUE(pretended.ok()) << pretended.error().message;
    // Then they do not meet, and it is said why.
    EXPECT_TRUE(eventually(10s, [&] { return log_of(other, 0).find("cluster") != std::string::npos; }));
    go_on(cluster.session(), 1s);
    for (std::size_t node = 0; node < 3; ++node) EXPECT_NE(cluster.node(node).process(), 0);
  });
}

TEST_F(PeerPort, NodesMeetAtTheAddressesThatTheyAdvertise) {
  // Given nodes that say another address of theirs than the one they listen on, they come together all the same.
  RunningCluster cluster({.arguments = {"--peer", "127.0.0.1:0", "--advertise", "localhost:0"}});
  const auto members = cluster.processes().members();
  ASSERT_TRUE(members.ok());
  for (const auto& member : *members) {
    const auto address = address_of(member.peer);
    EXPECT_EQ(address.host, "localhost");
    EXPECT_NE(address.port, 0);
  }
}

TEST_F(PeerPort, AKilledNodeListensAgainThoughItsConnectionsLinger) {
  // Given a node that somebody is connected to at its peer port,
  RunningCluster cluster({.nodes = 1});
  const auto arguments = [&](const std::string& peer) -> std::vector<std::string> {
    return {"--cluster", "--etcd", "http://" + cluster.processes().etcd().endpoint(), "--node", "zoe", "--peer", peer};
  };
  bench::ServerProcess node({.parent_directory = directory.path(),
                             .data_directory = directory.path() / "zoe",
                             .arguments = arguments("127.0.0.1:0"),
                             .program = carillon_program()});
  auto started = node.start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  const auto members = cluster.processes().members();
  ASSERT_TRUE(members.ok());
  const auto zoe = std::ranges::find(*members, "zoe", &cluster::Member::node);
  ASSERT_NE(zoe, members->end());
  RawSocket lingering(address_of(zoe->peer));
  std::string greeting;
  ASSERT_TRUE(lingering.receive_more(greeting));
  // when it is killed, so that the kernel keeps that connection half closed,
  node.kill();
  // then it starts at the same address.
  node.set_arguments(arguments(zoe->peer));
  started = node.start();
  EXPECT_TRUE(started.ok()) << started.error().message << node.last_words();
}

}  // namespace
}  // namespace carillon::testing
