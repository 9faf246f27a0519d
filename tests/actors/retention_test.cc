// Retention of hubs, as an operator sets it and everybody else sees it.
#include <gmock/gmock.h>

#include "runtime/key.h"
#include "runtime/store.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kKills = 2'500;  // More than a hub's state is saved after.
const std::string kMatch = "match/1";
constexpr std::chrono::seconds kDeadline{20};

class HubRetention : public ::testing::Test {
 protected:
  HubRetention() : node({.arguments = {"--retain", "match=20"}, .data_directory = {}}) {}

  void play() {
    publish({{kMatch, "match_began", R"({"map":"q3dm1"})"},
             {kMatch, "player_named", R"({"client":0,"name":"ada"})"},
             {kMatch, "player_named", R"({"client":1,"name":"bo"})"}});
    for (std::uint64_t kill = 0; kill < kKills; kill += 50)
      publish(
          std::vector<client::Publication>(50, {kMatch, "kill", R"({"killer":0,"victim":1,"means":"MOD_ROCKET"})"}));
  }
  void publish(std::vector<client::Publication> batch) {
    for (auto& event : batch) event.sequence = ++sequence;
    const auto answer = node.session().publish("arena", batch);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    ASSERT_EQ(answer->getAccepted(), batch.size());
  }

  struct Inspected {
    Offset first = 0;
    std::string state;
  };
  Result<Inspected> inspect() {
    const auto answer = node.session().inspect(kMatch);
    if (!answer) return answer.error();
    return Inspected{answer->getInspection().getFirstOffset(), answer->getInspection().getState().cStr()};
  }

  RunningNode node;
  Sequence sequence = 0;
};

TEST_F(HubRetention, P5AMatchThatIsCutComesBackFromAKillAsItWas) {
  // Given a match of which twenty events are kept, and many more.
  play();
  ASSERT_TRUE(eventually(kDeadline, [&] {
    const auto seen = inspect();
    return seen.ok() && seen->first > 1 && seen->state.find(R"("kills":2500)") != std::string::npos;
  })) << "it is never cut";
  const auto before = inspect();
  ASSERT_TRUE(before.ok());
  // When the process is killed and started again.
  node.kill();
  node.start();
  // Then the match is as it was,
  ASSERT_TRUE(eventually(kDeadline, [&] {
    const auto seen = inspect();
    return seen.ok() && seen->state == before->state;
  })) << "its state is another";
  EXPECT_EQ(node.payloads("player/ada").size(), kKills);
  // who asks for what is gone is told where to go on,
  const auto page = node.session().read(kMatch, 1, 10);
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().code, ErrorCode::TRUNCATED);
  EXPECT_GE(page.error().first_offset, before->first);
  const auto address = node.rpc().text();
  const auto tail = run_carillon({"tail", kMatch, "--from", "1", "--no-follow", "--connect", address});
  EXPECT_NE(tail.exit_code, 0);
  EXPECT_THAT(tail.output, AllOf(HasSubstr("truncated"), HasSubstr("use --from ")));
  // and the store is sound.
  node.stop();
  const auto verified = run_carillon({"verify", "--data", node.data()});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
}

TEST_F(HubRetention, P5AMatchThatHasLostItsSnapshotSaysSo) {
  play();
  ASSERT_TRUE(eventually(kDeadline, [&] {
    const auto seen = inspect();
    return seen.ok() && seen->first > 1;
  })) << "it is never cut";
  node.stop();
  {
    runtime::StoreOptions options;
    options.directory = node.data();
    const auto store = runtime::Store::open(options);
    ASSERT_TRUE(store.ok()) << store.error().message;
    const auto match = EntityId::trusted(kMatch);
    runtime::WriteSet writes;
    writes.erase(entity_key(match.partition_of((*store)->format().partitions), runtime::Tag::kSnapshot, match));
    ASSERT_TRUE((*store)->write(writes).ok());
  }
  const auto verified = run_carillon({"verify", "--data", node.data()});
  EXPECT_NE(verified.exit_code, 0);
  EXPECT_THAT(verified.output, HasSubstr("there is no snapshot to go on from"));
  node.start();
  ASSERT_TRUE(eventually(kDeadline, [&] {
    const auto seen = inspect();
    return !seen.ok() && seen.error().message.find("match/1 cannot be computed") != std::string::npos;
  })) << "nobody is told";
  // So do metrics, and health, which names it,
  ASSERT_TRUE(eventually(kDeadline, [&] { return node.figure(R"(hubs_standing_still{why="not_computed"})") == 1; }));
  EXPECT_THAT(http_get(node.http(), "/healthz").body, HasSubstr("hub match/1 stands still"));
  // and others go on.
  EXPECT_EQ(http_get(node.http(), "/readyz").status, 200);
  EXPECT_TRUE(node.publish("match/2", R"({"map":"q3dm2"})", "match_began").ok());
}

TEST(RetentionSetting, WhatIsNotUnderstoodIsRefusedAtTheStart) {
  const auto unknown = run_carillon({"serve", "--data", "/nowhere", "--retain", "gild=5"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.output,
              AllOf(HasSubstr("no kind is called 'gild'"), HasSubstr("player, gateway"), HasSubstr("match")));
  const auto garbage = run_carillon({"serve", "--data", "/nowhere", "--retain", "match=much"});
  EXPECT_EQ(garbage.exit_code, 2);
  EXPECT_THAT(garbage.output, HasSubstr("write KIND=EVENTS"));
}

}  // namespace
}  // namespace carillon::testing
