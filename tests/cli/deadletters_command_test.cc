// `carillon deadletters` against a node: long lists are marked as such, and one command settles all of a hub.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/key.h"
#include "runtime/store.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
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

TEST(DeadLettersOfSeveralPartitions, AreListedWithoutThoseThatCannotBeReadAndThoseAreNamed) {
  // Given dead letters of two hubs in two partitions, one of which cannot be read.
  const EntityId damaged = EntityId::trusted("match/1");
  const auto partition = damaged.partition_of(8);
  int number = 2;
  while (EntityId::trusted("match/" + std::to_string(number)).partition_of(8) == partition) ++number;
  const auto sound = "match/" + std::to_string(number);
  RunningNode node;
  for (const auto& hub : {damaged.text(), sound})
    ASSERT_TRUE(node.publish(hub, R"({"killer":500,"victim":500,"means":"x","at_s":0})", "kill").ok());
  ASSERT_TRUE(eventually(60s, [&] { return node.figure("dead_letters_total") >= 2; }));
  node.stop();
  {
    runtime::StoreOptions options;
    options.directory = node.data();
    const auto store = runtime::Store::open(options);
    ASSERT_TRUE(store.ok());
    runtime::WriteSet writes;
    writes.put(runtime::entity_key(partition, runtime::Tag::kDeadLetter, damaged, 1), "no dead letter");
    ASSERT_TRUE((*store)->write(writes).ok());
  }
  node.start();
  const auto list = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"deadletters", "list"});
    arguments.insert(arguments.end(), {"--connect", node.rpc().text()});
    return run_carillon(arguments);
  };
  // Then the other one's is listed, and the list says whose are missing, to people, scripts and browsers;
  const auto for_people = list({});
  EXPECT_EQ(for_people.exit_code, 3) << for_people.output;
  EXPECT_THAT(for_people.output, AllOf(HasSubstr(sound), HasSubstr("now: " + std::to_string(partition.value) + ";")));
  const auto absent = "\"absent_partitions\":[" + std::to_string(partition.value) + "]}";
  EXPECT_THAT(list({"--json"}).output, AllOf(HasSubstr("\"" + sound + "\""), HasSubstr("{" + absent)));
  EXPECT_THAT(http_get(node.http(), "/deadletters").body,
              AllOf(HasSubstr("\"" + sound + "\""), HasSubstr("\"more\":false," + absent)));
  // who asks for the damaged one alone is refused.
  EXPECT_EQ(list({damaged.text()}).exit_code, 3);
  EXPECT_EQ(http_get(node.http(), "/deadletters/match/1").status, 503);
}

}  // namespace
}  // namespace carillon::testing
