// A player's coming and going, as hubs that watch get to hear of it.
#include "actors/presence_behaviour.h"

#include <gmock/gmock.h>

namespace carillon::actors {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What the hub `to` is told by the hub `from`.
class Told {
 public:
  Told(std::string_view to, std::string_view from)
      : self_(EntityId::parse(to).value()), producer_(ProducerId::hub(EntityId::parse(from).value())) {}
  operator Context() const { return {self_, 1, producer_, 1, 0}; }

 private:
  EntityId self_;
  ProducerId producer_;
};

std::vector<std::string> targets(const Result<Effects>& effects) {
  std::vector<std::string> all;
  for (const auto& effect : effects->list()) all.push_back(effect.target.text() + " " + effect.type);
  return all;
}

class Gateway : public ::testing::Test {
 protected:
  Gateway() { EXPECT_TRUE(on(state, GatewayStarted{.boot = "seven"}, any_context()).ok()); }
  GatewayState state;
};

TEST_F(Gateway, TellsOfConnectionsThatOpenAndClose) {
  EXPECT_THAT(targets(on(state, ConnectionOpened{"seven", "1", "ada"}, any_context())),
              Contains("presence/ada arrived"));
  EXPECT_THAT(targets(on(state, ConnectionClosed{"seven", "1"}, any_context())), ElementsAre("presence/ada departed"));
  EXPECT_THAT(targets(on(state, ConnectionClosed{"seven", "1"}, any_context())), IsEmpty());
}

TEST_F(Gateway, WhoWasConnectedBeforeACrashDeparts) {
  ASSERT_TRUE(on(state, ConnectionOpened{"seven", "1", "ada"}, any_context()).ok());
  ASSERT_TRUE(on(state, ConnectionOpened{"seven", "2", "bo"}, any_context()).ok());
  EXPECT_THAT(targets(on(state, GatewayStarted{.boot = "eight"}, any_context())),
              ElementsAre("presence/ada departed", "presence/bo departed"));
  EXPECT_THAT(targets(on(state, GatewayStarted{.boot = "eight"}, any_context())), IsEmpty());
}

TEST_F(Gateway, WhatAnEarlierProcessSaidTooLateIsOfNoEffect) {
  ASSERT_TRUE(on(state, GatewayStarted{.boot = "eight"}, any_context()).ok());
  EXPECT_THAT(targets(on(state, ConnectionOpened{"seven", "9", "ada"}, any_context())), IsEmpty());
  EXPECT_THAT(state.players, IsEmpty());
}

// At that time of the hub's own clock.
Context at(UnixMs now) { return any_context(now); }

// When the hub will look next, if these are all effects.
UnixMs next_look(const Result<Effects>& effects) {
  EXPECT_TRUE(effects.ok());
  EXPECT_EQ(effects->size(), 1u);
  return effects->reminders_for<LookForGateway>("test/1").at(0).first;
}

TEST_F(Gateway, WhoIsNotHeardOfAnyMoreIsGoneWithAllPlayers) {
  // Given a connection, and a process that lives for some minutes more.
  const auto opened = on(state, ConnectionOpened{"seven", "1", "ada"}, at(1'000));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->reminders_for<LookForGateway>("test/1").at(0).first, 1'000 + kGatewaySilentMs);
  ASSERT_TRUE(on(state, GatewayAlive{"seven"}, at(400'000)).ok());
  // When the hub looks, then it looks again when the process has been silent for long enough,
  EXPECT_EQ(next_look(on(state, LookForGateway{}, at(1'000 + kGatewaySilentMs))), 400'000 + kGatewaySilentMs);
  // gives it some time more then,
  const auto last = 400'000 + kGatewaySilentMs + kGatewaySuspectedMs;
  EXPECT_EQ(next_look(on(state, LookForGateway{}, at(400'000 + kGatewaySilentMs))), last);
  // and when it still is silent, its players have left.
  EXPECT_THAT(targets(on(state, LookForGateway{}, at(last))), ElementsAre("presence/ada departed"));
  EXPECT_THAT(state.players, IsEmpty());
  // Should it be there after all, it has to begin anew.
  EXPECT_THAT(targets(on(state, ConnectionOpened{"seven", "2", "bo"}, at(2'000'000))), IsEmpty());
}

TEST_F(Gateway, AClockThatIsSetForwardMakesNobodyLeave) {
  ASSERT_TRUE(on(state, ConnectionOpened{"seven", "1", "ada"}, at(1'000)).ok());
  // Given a clock that jumps by an hour, which makes the process seem silent,
  constexpr UnixMs kJumped = 3'600'000;
  const auto again = next_look(on(state, LookForGateway{}, at(kJumped)));
  // when it says that it lives, as it does every two minutes,
  EXPECT_THAT(targets(on(state, GatewayAlive{"seven"}, at(kJumped + 120'000))), IsEmpty());
  // then it is looked for as before.
  EXPECT_EQ(next_look(on(state, LookForGateway{}, at(again))), kJumped + 120'000 + kGatewaySilentMs);
  EXPECT_EQ(state.players.size(), 1u);
}

TEST_F(Gateway, NobodyLooksForOneWithoutPlayers) {
  EXPECT_THAT(targets(on(state, GatewayAlive{"seven"}, at(1'000))), IsEmpty());
  ASSERT_TRUE(on(state, ConnectionOpened{"seven", "1", "ada"}, at(1'000)).ok());
  ASSERT_TRUE(on(state, ConnectionClosed{"seven", "1"}, at(2'000)).ok());
  EXPECT_THAT(targets(on(state, LookForGateway{}, at(1'000 + kGatewaySilentMs))), IsEmpty());
  // The next one that comes is looked for again.
  EXPECT_THAT(targets(on(state, ConnectionOpened{"seven", "2", "bo"}, at(2'000 + kGatewaySilentMs))),
              Contains("test/1 look"));
}

TEST_F(Gateway, ItIsLookedForByOneReminderAtATime) {
  EXPECT_THAT(targets(on(state, ConnectionOpened{"seven", "1", "ada"}, at(1'000))),
              ElementsAre("test/1 look", "presence/ada arrived"));
  EXPECT_THAT(targets(on(state, ConnectionOpened{"seven", "2", "bo"}, at(1'000))), ElementsAre("presence/bo arrived"));
}

// A hub that another version has folded is folded anew, and what it sends meanwhile is known to have been sent.
TEST_F(Gateway, OneOfAVersionThatDidNotLookIsLookedForFromTheNextSignOn) {
  ASSERT_TRUE(on(state, ConnectionOpened{"seven", "1", "ada"}, at(1'000)).ok());
  const auto alive = on(state, GatewayAlive{"seven"}, at(1'000 + 30 * kGatewaySilentMs));
  EXPECT_EQ(next_look(alive), 1'000 + 31 * kGatewaySilentMs);
}

TEST_F(Gateway, ASnapshotOfAVersionThatDidNotLookIsReadAndLookedForFromTheNextSignOn) {
  auto hub = gateway_behaviour().initial_state();
  ASSERT_TRUE(hub->decode(R"({"boot":"seven","players":{"1":"ada"}})").ok());
  const auto self = EntityId::parse("gateway/ant").value();
  const Event alive{.type = "alive",
                    .payload = R"({"boot":"seven"})",
                    .producer = ProducerId::node("ant").value(),
                    .sequence = 1,
                    .accepted_at_ms = 5'000};
  const auto effects = hub->apply(alive, Context(self, 9, alive));
  ASSERT_TRUE(effects.ok());
  EXPECT_EQ(effects->reminders_for<LookForGateway>("gateway/ant").size(), 1u);
}

TEST_F(Gateway, P7CountsNoMoreThanItsLimit) {
  for (std::size_t i = 0; i < kGatewayConnectionsMax + 5; ++i)
    ASSERT_TRUE(on(state, ConnectionOpened{"seven", std::to_string(i), "ada"}, any_context()).ok());
  EXPECT_EQ(state.players.size(), kGatewayConnectionsMax);
}

class Presence : public ::testing::Test {
 protected:
  Presence() { EXPECT_TRUE(on(state, Watch{}, from_lobby).ok()); }
  const Told from_lobby{"presence/ada", "lobby/main"}, from_ant{"presence/ada", "gateway/ant"},
      from_bee{"presence/ada", "gateway/bee"};
  PresenceState state;
};

TEST_F(Presence, TheFirstConnectionJoinsAndTheLastOneLeaves) {
  EXPECT_THAT(targets(on(state, Arrived{"1"}, from_ant)), ElementsAre("lobby/main joined"));
  EXPECT_THAT(targets(on(state, Arrived{"2"}, from_ant)), IsEmpty());
  EXPECT_THAT(targets(on(state, Departed{"1"}, from_ant)), IsEmpty());
  EXPECT_THAT(targets(on(state, Departed{"2"}, from_ant)), ElementsAre("lobby/main left"));
}

TEST_F(Presence, WhoChangesToAnotherNodeStays) {
  ASSERT_TRUE(on(state, Arrived{"1"}, from_ant).ok());
  EXPECT_THAT(targets(on(state, Arrived{"1"}, from_bee)), IsEmpty());
  EXPECT_THAT(targets(on(state, Departed{"1"}, from_ant)), IsEmpty());
  EXPECT_THAT(targets(on(state, Departed{"1"}, from_ant)), IsEmpty());
  EXPECT_THAT(targets(on(state, Departed{"1"}, from_bee)), ElementsAre("lobby/main left"));
}

TEST_F(Presence, WhoWatchesLaterHearsOfWhoIsThere) {
  ASSERT_TRUE(on(state, Arrived{"1"}, from_ant).ok());
  const Told from_guild{"presence/ada", "guild/9"};
  EXPECT_THAT(targets(on(state, Watch{}, from_guild)), ElementsAre("guild/9 joined"));
  ASSERT_TRUE(on(state, Unwatch{}, from_lobby).ok());
  EXPECT_THAT(targets(on(state, Departed{"1"}, from_ant)), ElementsAre("guild/9 left"));
}

TEST_F(Presence, P9ClientsCannotPretend) {
  EXPECT_EQ(on(state, Arrived{"1"}, any_context()).error().code, ErrorCode::MALFORMED);
  EXPECT_EQ(on(state, Departed{"1"}, any_context()).error().code, ErrorCode::MALFORMED);
  EXPECT_EQ(on(state, Watch{}, any_context()).error().code, ErrorCode::MALFORMED);
}

TEST_F(Presence, P7WatchersAndConnectionsAreLimited) {
  for (std::size_t i = state.watchers.size(); i < kWatchersMax; ++i)
    ASSERT_TRUE(on(state, Watch{}, Told("presence/ada", "lobby/" + std::to_string(i))).ok());
  EXPECT_FALSE(on(state, Watch{}, Told("presence/ada", "lobby/more")).ok());
  for (std::size_t i = 0; i < kPresentConnectionsMax + 3; ++i)
    ASSERT_TRUE(on(state, Arrived{std::to_string(i)}, from_ant).ok());
  EXPECT_EQ(state.connections.size(), kPresentConnectionsMax);
}

}  // namespace
}  // namespace carillon::actors
