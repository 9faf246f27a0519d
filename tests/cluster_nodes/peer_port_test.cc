// The port where nodes meet, and those who have no business there: refused, and nothing else is disturbed.
#include <gmock/gmock.h>

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
    cluster.session().wait_at_most(500ms, kj::Promise<void>(kj::NEVER_DONE));
    // Then nobody was left out meanwhile,
    const auto all = cluster.processes().records();
    ASSERT_TRUE(all.ok());
    for (const auto& [partition, record] : *all) EXPECT_EQ(record.in_sync.size(), 3u);
  });  // and the ledger balances.
  for (std::size_t node = 0; node < 3; ++node) EXPECT_NE(cluster.node(node).process(), 0);
}

TEST_F(PeerPort, P9ANodeWithAnotherSecretIsRefusedAndDisturbsNobody) {
  RunningCluster cluster({.arguments = {"--secret-file", file_with("secret", "what all nodes know")}});
  // Given a node that found its way to etcd, but does not know the secret.
  bench::ServerProcess stranger(
      {.parent_directory = directory.path(),
       .data_directory = directory.path() / "zoe",
       .arguments = {"--cluster", "--etcd", "http://" + cluster.processes().etcd().endpoint(), "--node", "zoe",
                     "--partitions", "4", "--secret-file", file_with("wrong", "what nobody else knows")},
       .program = carillon_program()});
  under_load(cluster, [&] {
    const auto started = stranger.start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    // When it has been there for a while, then it was refused, and that was said once.
    EXPECT_TRUE(eventually(10s, [&] { return log_of(cluster, 0).find("secret") != std::string::npos; }))
        << log_of(cluster, 0);
    cluster.session().wait_at_most(1s, kj::Promise<void>(kj::NEVER_DONE));
    const auto all = cluster.processes().records();
    ASSERT_TRUE(all.ok());
    for (const auto& [partition, record] : *all)
      for (const auto& replica : record.in_sync) EXPECT_NE(replica.node, "zoe");
    stranger.kill();
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
    cluster.session().wait_at_most(1s, kj::Promise<void>(kj::NEVER_DONE));
    for (std::size_t node = 0; node < 3; ++node) EXPECT_NE(cluster.node(node).process(), 0);
  });
}

}  // namespace
}  // namespace carillon::testing
