// A game server's log becomes what its players are told: by the real program, compared with a model of our own.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "tests/acceptance/arena_log.h"
#include "tests/acceptance/figures.h"
#include "tests/acceptance/recorded_arena.h"
#include "tests/support/running_node.h"
#include "tests/support/temporary_directory.h"

namespace carillon::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::PrintToString;

class Replay : public WithArenaLog {
 protected:
  // Replays the log to its end and waits until everybody is told; gives what the command reports.
  static std::map<std::string, std::uint64_t> replay(RunningNode& node, const std::filesystem::path& log,
                                                     const ArenaModel& model) {
    const auto ran = run_carillon({"replay", "--connect", node.rpc().text(), "--json", log.string()});
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    EXPECT_TRUE(folded(node.session(), model));
    return figures_of(ran.output);
  }
};

TEST_P(Replay, CountsEveryLineMatchKillAndNotification) {
  // Given a node, and the model of a log, which agrees with what is known of it.
  const ArenaModel model = model_of(log().path);
  ASSERT_EQ(model.events.size(), log().matches);
  ASSERT_EQ(model.kills, log().kills);
  ASSERT_EQ(model.notifications(), log().notifications);
  ASSERT_EQ(model.malformed, log().malformed);
  RunningNode node;
  // When the log is replayed.
  const auto report = replay(node, log().path, model);
  // Then the command counts the same,
  EXPECT_THAT(report, AllOf(Contains(Pair("lines", model.lines)), Contains(Pair("malformed", log().malformed)),
                            Contains(Pair("matches", log().matches)), Contains(Pair("kills", log().kills)),
                            Contains(Pair("accepted", model.events_of_all_matches())), Contains(Pair("duplicates", 0u)),
                            Contains(Pair("refused", 0u))));
  // all player streams together hold as many notifications,
  const RecordedArena arena = record(node.session(), model);
  EXPECT_EQ(arena.notifications(), log().notifications);
  // and the store holds nothing but the matches and these streams.
  node.stop();
  const auto verified = run_carillon({"verify", "--data", node.data(), "--json"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  EXPECT_THAT(figures_of(verified.output),
              AllOf(Contains(Pair("events", model.events_of_all_matches() + log().notifications)),
                    Contains(Pair("mailboxes", arena.matches.size() + arena.players.size())),
                    Contains(Pair("dead_letters", 0u))));
}

TEST_P(Replay, P3TellsEveryPlayerWhatTheModelExpectsMatchByMatchInOrder) {
  // Given a node.
  const ArenaModel model = model_of(log().path);
  RunningNode node;
  // When the log is replayed.
  replay(node, log().path, model);
  // Then every player was told, by every match, what the model expects.
  for (const auto& [name, stream] : record(node.session(), model).players)
    EXPECT_EQ(told(stream), model.told.at(name)) << name;
}

TEST_P(Replay, P2ASecondReplayAddsNothing) {
  // Given a node that has a log already.
  const ArenaModel model = model_of(log().path);
  RunningNode node;
  replay(node, log().path, model);
  const RecordedArena once = record(node.session(), model);
  // When the log is replayed again.
  const auto report = replay(node, log().path, model);
  // Then everything was known already, and no mailbox has changed in any byte.
  EXPECT_THAT(report, AllOf(Contains(Pair("accepted", model.events_of_all_matches())),
                            Contains(Pair("duplicates", model.events_of_all_matches()))));
  EXPECT_EQ(record(node.session(), model), once);
}

// The client does not know how much the node takes in one call; it begins with much and asks for less after each refusal.
TEST_P(Replay, P3KeepsTheOrderWhereTheNodeTakesOnlySmallBatches) {
  // Given a long log, and a node that takes one event a call.
  const TemporaryDirectory directory;
  const auto long_log = write_at_length(log().path, 1'000, directory.path());
  const ArenaModel model = model_of(long_log);
  RunningNode node({.arguments = {"--batch-events-max", "1"}, .data_directory = {}});
  // When the log is replayed.
  replay(node, long_log, model);
  // Then every match has its events in the order of the lines.
  for (const auto& [match, events] : record(node.session(), model).matches)
    EXPECT_TRUE(std::ranges::is_sorted(events, {}, &RecordedEvent::sequence)) << match << ": " << PrintToString(events);
}

TEST(ReplayOfAGrowingLog, P2TakesALineOnlyOnceItIsWhole) {
  // Given a log whose last line the server has not written to its end yet.
  const TemporaryDirectory directory;
  const auto log = directory.path() / "games.log";
  std::ofstream(log) << "  0:00 InitGame: \\mapname\\q3dm17\n"
                        "  0:01 ClientUserinfoChanged: 2 n\\Ada\\t\\0\n"
                        "  0:02 Kill: 2 2 7: Ada killed Ada by MOD_ROCKET";
  RunningNode node;
  const auto replay = [&] {
    const auto ran = run_carillon({"replay", "--connect", node.rpc().text(), log.string()});
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return ran.output;
  };
  EXPECT_THAT(replay(), AllOf(HasSubstr("2 new"), HasSubstr("replay again once the server has written it")));
  // When it is whole, then it is new, and published as it is.
  std::ofstream(log, std::ios::app) << "_SPLASH\n";
  EXPECT_THAT(replay(), AllOf(HasSubstr("1 new, 2 known already"), Not(HasSubstr("replay again"))));
}

INSTANTIATE_TEST_SUITE_P(, Replay, ::testing::Values(kOwnLog, kRealLog), name_of_log);

}  // namespace
}  // namespace carillon::testing
