// A player's coming and going, as hubs that watch get to hear of it.
#include "actors/presence_behaviour.h"

#include <gmock/gmock.h>

namespace carillon::actors {
namespace {

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
              ElementsAre("presence/ada arrived"));
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
