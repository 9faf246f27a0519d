// `carillon deadletters` against a node: long lists are marked as such, and one command settles all of a hub.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/eventually.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count_of(std::string_view word, std::string_view text) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

// Kills by a number that no client can have, which the hub refuses: more than a MiB of them.
class DeadLetters : public ::testing::Test {
 protected:
  static constexpr int kKills = 40;

  DeadLetters() {
    const std::string kill = R"({"killer":500,"victim":500,"means":")" + std::string(60'000, 'x') + R"(","at_s":0})";
    for (int i = 0; i < kKills; ++i) EXPECT_TRUE(node.publish("match/1", kill, "kill").ok());
    EXPECT_TRUE(await_dead(kKills));
  }
  ~DeadLetters() noexcept {}

  bool await_dead(double letters) {
    return eventually(60s, [&] { return node.figure("dead_letters_total") >= letters; });
  }
  Ran deadletters(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "deadletters");
    arguments.insert(arguments.end(), {"--connect", node.rpc().text()});
    return run_carillon(arguments);
  }

  RunningNode node;
};

TEST_F(DeadLetters, AListThatIsCutSaysSoInItsLastLine) {
  EXPECT_THAT(deadletters({"list", "match/1", "--json"}).output, HasSubstr("\n{\"more\":true}\n"));
  EXPECT_THAT(deadletters({"list", "match/2", "--json"}).output, Not(HasSubstr("more")));
}

TEST_F(DeadLetters, P6AllOfAHubAreRedrivenOnceEachAndThenDiscarded) {
  // When all are redriven, then each is so once, though every one fails again,
  const auto redriven = deadletters({"redrive", "match/1", "--all"});
  EXPECT_EQ(redriven.exit_code, 0) << redriven.output;
  EXPECT_THAT(redriven.output, EndsWith("Redriven: 40 dead letters of match/1.\n"));
  ASSERT_TRUE(await_dead(2 * kKills));
  // and when all are discarded, then none is left.
  const auto discarded = deadletters({"discard", "match/1", "--all", "--json"});
  EXPECT_EQ(discarded.exit_code, 0) << discarded.output;
  EXPECT_EQ(count_of("{\"discarded\":", discarded.output), static_cast<std::size_t>(kKills)) << discarded.output;
  EXPECT_EQ(deadletters({"list", "match/1", "--json"}).output, "");
  EXPECT_THAT(deadletters({"discard", "match/1", "--all"}).output, HasSubstr("Discarded: 0 dead letters"));
}

TEST_F(DeadLetters, OneOrAllMustBeNamedAndARefusalIsPassedOn) {
  EXPECT_EQ(deadletters({"redrive", "match/1"}).exit_code, 2);
  EXPECT_EQ(deadletters({"discard", "match/1", "1", "--all"}).exit_code, 2);
  const auto refused = deadletters({"redrive", "dragon/1", "--all"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.output, HasSubstr("unknown_kind"));
}

}  // namespace
}  // namespace carillon::testing
