// A reminder in a real node: due while the node is dead, it comes once when the node is back.
#include <gmock/gmock.h>

#include "examples/hunt/hunt.h"
#include "tests/support/eventually.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::SizeIs;

// Digs up a whole island, which then sets itself a reminder of the tide. All digs in one call: the tide comes three seconds later.
void dig_up(RunningNode& node, std::string_view island) {
  std::vector<std::string> payloads;
  for (std::uint32_t i = 0; i < hunt::kWidth * hunt::kHeight; ++i)
    payloads.push_back(
        to_json(hunt::Dug{.player = "Ada", .x = i % hunt::kWidth, .y = i / hunt::kWidth, .dig = std::uint64_t{i} + 1}));
  std::vector<client::Publication> digs;
  for (const auto& payload : payloads) digs.push_back({island, "dug", payload, digs.size() + 1});
  ASSERT_TRUE(node.publish(digs).ok());
}

std::vector<std::string> tides_of_ada(RunningNode& node) {
  auto payloads = node.payloads("player/Ada");
  std::erase_if(payloads, [](const std::string& payload) { return !payload.starts_with(R"({"tide":)"); });
  return payloads;
}

TEST(ReminderInANode, P1P2ComesOnceThoughTheNodeWasKilledBefore) {
  // Given two islands that have reminded themselves, and a node that is killed before that is due.
  RunningNode node;
  dig_up(node, "island/reef");
  dig_up(node, "island/atoll");
  ASSERT_THAT(tides_of_ada(node), SizeIs(0));
  node.kill();
  // When it is back, then a tide comes to each of them,
  node.start();
  ASSERT_TRUE(eventually(30s, [&] { return tides_of_ada(node).size() == 2; }));
  // and no second one, also when it is killed once more behind them.
  node.kill();
  node.start();
  dig_up(node, "island/reef");
  ASSERT_TRUE(eventually(30s, [&] { return tides_of_ada(node).size() >= 3; }));
  EXPECT_THAT(tides_of_ada(node), SizeIs(3));
  EXPECT_EQ(node.figure("dead_letters_total"), 0);
  node.stop();
}

}  // namespace
}  // namespace carillon::testing
