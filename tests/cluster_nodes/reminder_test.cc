// A reminder outlives the primary that took it: whoever takes over lets it come, once.
#include <gmock/gmock.h>

#include "examples/hunt/hunt.h"
#include "tests/support/eventually.h"
#include "tests/support/running_cluster.h"
#include "tests/support/running_etcd.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kIsland = "island/reef";

class ReminderInACluster : public ::testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_ETCD(); }

  // Digs up the whole island, which then sets itself a reminder of the tide.
  static void dig_up(RunningCluster& cluster) {
    auto& session = cluster.session();
    ASSERT_TRUE(session.connect(cluster.addresses()).ok());
    std::vector<std::string> payloads;
    std::vector<client::Publication> digs;
    for (std::uint32_t i = 0; i < hunt::kWidth * hunt::kHeight; ++i)
      payloads.push_back(to_json(
          hunt::Dug{.player = "Ada", .x = i % hunt::kWidth, .y = i / hunt::kWidth, .dig = std::uint64_t{i} + 1}));
    for (const auto& payload : payloads) digs.push_back({kIsland, "dug", payload, digs.size() + 1});
    const auto answer = session.publish("ada", digs);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    ASSERT_EQ(answer->getRefusals().size(), 0u);
  }

  // Through any node that answers.
  static std::size_t tides_of_ada(RunningCluster& cluster) {
    auto& session = cluster.session();
    if (!session.connected() && !session.connect(cluster.addresses()).ok()) return 0;
    const auto page = session.read("player/Ada", 1, 1'000);
    if (!page.ok()) return 0;
    std::size_t tides = 0;
    for (const auto event : page->getEvents()) tides += event.getType() == hunt::TideCame::kType.data();
    return tides;
  }
};

TEST_F(ReminderInACluster, P1P2ComesOnceThoughItsPrimaryWasKilledBefore) {
  // Given an island that has reminded itself, and whose primary is killed before that is due.
  RunningCluster cluster;
  cluster.await_in_sync();
  dig_up(cluster);
  const auto primary = cluster.primary_of(kIsland);
  cluster.kill(primary);
  cluster.await_successor(kIsland, primary);
  // Then the tide comes,
  ASSERT_TRUE(eventually(30s, [&] { return tides_of_ada(cluster) > 0; }));
  // and not again when the killed node is back and has caught up.
  cluster.start(primary);
  cluster.await_in_sync();
  EXPECT_EQ(tides_of_ada(cluster), 1u);
}

}  // namespace
}  // namespace carillon::testing
