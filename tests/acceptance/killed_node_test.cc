// A node that is killed a hundred times in the middle of a replay: nobody can tell afterwards.
#include <gmock/gmock.h>

#include <array>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>

#include "cli/exit_code.h"
#include "clients/cpp/follower.h"
#include "tests/acceptance/arena_log.h"
#include "tests/acceptance/figures.h"
#include "tests/acceptance/recorded_arena.h"
#include "tests/support/background_command.h"
#include "tests/support/eventually.h"
#include "tests/support/running_node.h"
#include "tests/support/temporary_directory.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Pair;

constexpr int kKills = 100;
constexpr int kStarts = 50;
constexpr std::uint64_t kFewestEvents = 1'300;  // Of a replay: shorter ones would be over before the last kill.
// The node takes so few events at a time that the replay needs a while, and no pause of the test lets it run away. The
// rest is refused as overloaded again and again, so that kills meet that as well.
constexpr std::size_t kEventsInFlightMax = 4;

// $CARILLON_SEED instead, to try others.
std::uint64_t seed() {
  const char* text = std::getenv("CARILLON_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 20'261'124;
}

// Lets whoever lives on the session's event loop go on.
void go_on(client::Session& session, std::chrono::milliseconds time) {
  session.wait_at_most(time, kj::Promise<void>(kj::NEVER_DONE));
}

// One mailbox or state after the other, so that a difference can be read.
template <class Parts>
void expect_same(const Parts& found, const Parts& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (const auto& [name, part] : wanted) EXPECT_EQ(found.at(name), part) << name;
}

// Follows one player through everything and notes what it is shown.
class Onlooker {
 public:
  Onlooker(RunningNode& node, const std::string& player)
      : follower_(node.session().network(), node.session().timer(),
                  {.addresses = node.rpc(), .reconnect = {.first = 1ms, .longest = 50ms}}, {{"player/" + player, 1}},
                  {.event =
                       [this](std::size_t, Offset offset, wire::StoredEvent::Reader event) {
                         offsets.push_back(offset);
                         seen.push_back(recorded(event));
                       },
                   .ended = {},
                   .following = {},
                   .disconnected =
                       [this](const Error& error) {
                         if (error.message.find("skipped") != std::string::npos) complaints.push_back(error.message);
                       }}) {}

  std::uint64_t connections() const { return follower_.connections(); }

  std::vector<Offset> offsets;
  Recording seen;
  std::vector<std::string> complaints;  // Of the client library, when offsets are not contiguous.

 private:
  client::Follower follower_;
};

// Kills the node, and now and then the replay, while that goes on.
class KillStorm {
 public:
  KillStorm(RunningNode& node, BackgroundCommand& replay, const ArenaModel& model)
      : node_(node), replay_(replay), model_(model), dice_(seed()) {}

  // Until it has killed `most` times or everything is accepted. Gives how often the node was killed before that.
  int rage(int most) {
    int kills = 0;
    for (auto left = events_left(); left > 0 && kills < most && !::testing::Test::HasFailure();) {
      await_moment(left / static_cast<std::uint64_t>(most - kills));
      node_.kill();
      if (between(1, 20) == 1) replay_.kill();
      node_.start();
      if (!replay_.running()) {
        replay_.start();
        catches_up_ = true;
      }
      left = events_left();
      if (left > 0) ++kills;
    }
    return kills;
  }

  // Events that the replay sent again after a kill because it had not heard that they were accepted. Without those of
  // replays that began again at the first line.
  double events_resent() const { return events_resent_; }
  // Emissions that were accepted before a kill and computed again after it.
  double emissions_recomputed() const { return emissions_recomputed_; }

 private:
  // Counted from the node's start on: calls when they arrive, events and emissions when they are committed. So kills come
  // before, between and after the two commits of an event. `share` is how many events there are for each kill to come.
  void await_moment(std::uint64_t share) {
    struct Moment {
      const char* figure;
      std::uint64_t latest;
    };
    const std::array moments = {Moment{"publish_calls_total", share / kEventsInFlightMax},
                                Moment{"events_accepted_total", share}, Moment{"emissions_accepted_total", share}};
    const auto& [figure, latest] = moments[between(0, moments.size() - 1)];
    const auto enough = static_cast<double>(between(1, std::max<std::uint64_t>(1, latest)));
    const auto until = std::chrono::steady_clock::now() + 20s;
    auto now = figures();
    for (; now[figure] < enough && replay_.running(); now = figures())
      ASSERT_LT(std::chrono::steady_clock::now(), until) << figure << " did not come to " << enough;
    if (!catches_up_) events_resent_ += now["events_duplicate_total"];
    if (now["events_accepted_total"] > 0) catches_up_ = false;
    emissions_recomputed_ += now["emissions_duplicate_total"];
  }

  // All of one moment.
  std::map<std::string, double> figures() {
    std::map<std::string, double> figures;
    const auto answer = node_.session().stats();
    if (!answer.ok()) {
      ADD_FAILURE() << answer.error().message;
      return figures;
    }
    for (const auto counter : answer->getStats().getCounters()) figures[counter.getName().cStr()] = counter.getValue();
    return figures;
  }

  // Of the log, that are not accepted yet. Only the latest matches can lack any, for so few are in flight.
  std::uint64_t events_left() {
    std::uint64_t left = 0;
    for (auto match = complete_; match < model_.events.size(); ++match) {
      std::uint64_t accepted = 0;
      if (match <= complete_ + kEventsInFlightMax) {
        const auto answer = node_.session().inspect(match_entity(match));
        EXPECT_TRUE(answer.ok()) << answer.error().message;
        if (answer.ok()) accepted = answer->getInspection().getLastOffset();
      }
      left += model_.events[match] - accepted;
      if (match == complete_ && accepted == model_.events[match]) ++complete_;
    }
    return left;
  }

  std::uint64_t between(std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(dice_);
  }

  RunningNode& node_;
  BackgroundCommand& replay_;
  const ArenaModel& model_;
  std::mt19937_64 dice_;
  std::size_t complete_ = 0;  // So many matches are accepted as a whole.
  bool catches_up_ = false;   // The replay began again and is not yet where it was.
  double events_resent_ = 0, emissions_recomputed_ = 0;
};

class KilledNode : public WithArenaLog {
 protected:
  void SetUp() override {
    WithArenaLog::SetUp();
    if (IsSkipped()) return;
    log_path = write_at_length(log().path, kFewestEvents, directory.path());
    model = model_of(log_path);
  }

  // What comes of the log when nobody disturbs.
  RecordedArena undisturbed() {
    RunningNode node;
    const auto ran = run_carillon({"replay", "--connect", node.rpc().text(), log_path.string()});
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    EXPECT_TRUE(folded(node.session(), model));
    return record(node.session(), model);
  }

  TemporaryDirectory directory;
  std::filesystem::path log_path;
  ArenaModel model;
};

// Goal: P1 to P5 for a real process that dies at any moment.
// Method: kill the node when a random number of events or emissions has been accepted since its start, and start it on
// the same data, a hundred times within one replay; now and then kill the replay too, which then begins at the first
// line. Compare with an undisturbed replay, and with what a follower was shown on the way.
TEST_P(KilledNode, P1P2P3P4P5AHundredKillsChangeNothingThatAnyoneCanSee) {
  SCOPED_TRACE(::testing::Message() << "CARILLON_SEED=" << seed());
  // Given what comes of the log when nobody disturbs, and another node, on which a replay and a follower set out.
  const RecordedArena expected = undisturbed();
  RunningNode node(
      {.arguments = {"--connection-events-max", std::to_string(kEventsInFlightMax)}, .data_directory = {}});
  Onlooker onlooker(node, model.busiest_player());
  BackgroundCommand replay({"replay", "--connect", node.rpc().text(), "--json", log_path.string()});
  replay.start();

  // When the node is killed and started again a hundred times before the replay is through.
  KillStorm storm(node, replay, model);
  EXPECT_EQ(storm.rage(kKills), kKills) << "the log was over too soon";
  EXPECT_GT(storm.events_resent(), 0) << "no kill fell between the commit of an event and its acknowledgement";
  EXPECT_GT(storm.emissions_recomputed(), 0) << "no kill fell between the commit of an event and that of its cursor";
  EXPECT_TRUE(eventually(60s, [&] {
    go_on(node.session(), 1ms);
    if (!replay.running() && replay.exit_code() == cli::kCannotConnect) replay.start();
    return !replay.running();
  }));

  // Then the replay comes to its end,
  ASSERT_EQ(replay.exit_code(), 0) << replay.errors();
  EXPECT_THAT(figures_of(replay.output()),
              AllOf(Contains(Pair("accepted", model.events_of_all_matches())), Contains(Pair("refused", 0u))));
  ASSERT_TRUE(folded(node.session(), model));
  // matches and streams are what they would have been (P1, P2, P3, P5),
  const RecordedArena arena = record(node.session(), model);
  const Unchanging found = unchanging(arena), wanted = unchanging(expected);
  EXPECT_EQ(arena.notifications(), model.notifications());
  expect_same(found.matches, wanted.matches);
  expect_same(found.states, wanted.states);
  expect_same(found.players, wanted.players);
  // the follower was shown its stream, each offset once and in order, with what is there in the end (P4),
  const Recording& stream = arena.players.at(model.busiest_player());
  EXPECT_TRUE(eventually(20s, [&] {
    go_on(node.session(), 1ms);
    return onlooker.seen.size() >= stream.size();
  }));
  std::vector<Offset> every_offset(stream.size());
  std::iota(every_offset.begin(), every_offset.end(), Offset{1});
  EXPECT_EQ(onlooker.offsets, every_offset);
  EXPECT_EQ(onlooker.seen, stream);
  EXPECT_THAT(onlooker.complaints, ::testing::IsEmpty());
  EXPECT_GT(onlooker.connections(), kKills / 2) << "it was hardly ever there when the node was killed";
  // and the data directory is sound, as a last kill leaves it.
  node.kill();
  const auto verified = run_carillon({"verify", "--data", node.data(), "--json"});
  EXPECT_EQ(verified.exit_code, 0) << verified.output;
  EXPECT_THAT(figures_of(verified.output),
              AllOf(Contains(Pair("events", model.events_of_all_matches() + model.notifications())),
                    Contains(Pair("mailboxes", arena.matches.size() + arena.players.size())),
                    Contains(Pair("dead_letters", 0u))));
}

// Goal: whatever a kill left unfinished is finished after any start, not only after most.
// Method: many partitions, all hubs with emissions that nobody has noted as acknowledged, and many starts.
TEST_P(KilledNode, P5EveryStartFinishesWhatTheHubsHadUnderWay) {
  // Given a node that is killed right after a replay, before it has saved the cursors of its hubs.
  RunningNode node({.arguments = {"--partitions", "64"}, .data_directory = {}});
  const auto ran = run_carillon({"replay", "--connect", node.rpc().text(), log_path.string()});
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  for (int start = 1; start <= kStarts; ++start) {
    SCOPED_TRACE(::testing::Message() << "start " << start);
    // When it is killed and started again.
    node.kill();
    node.start();
    // Then every hub comes to the end of its mailbox, and all its emissions are acknowledged.
    ASSERT_TRUE(folded(node.session(), model));
  }
  EXPECT_EQ(record(node.session(), model).notifications(), model.notifications());
}

INSTANTIATE_TEST_SUITE_P(, KilledNode, ::testing::Values(kOwnLog, kRealLog), name_of_log);

}  // namespace
}  // namespace carillon::testing
