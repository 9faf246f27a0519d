// The hub of the guide that watches who is there: what it sends is what the behaviour of `presence` takes, and the other way round.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "actors/presence_behaviour.h"
#include "runtime/behaviour.h"

namespace carillon::lobby {
namespace {

struct Lobby {
  std::map<std::string, bool> members;  // Whether each is there.
};
template <class Fields>
void inspect(Fields& fields, Lobby& lobby) {
  fields("members", lobby.members);
}

struct Entered {
  static constexpr std::string_view kType = "entered";
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Entered& entered) {
  fields("player", entered.player);
}

struct Left {
  static constexpr std::string_view kType = "left";
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Left& left) {
  fields("player", left.player);
}

struct Watch {  // To presence/NAME.
  static constexpr std::string_view kType = "watch";
};
template <class Fields>
void inspect(Fields&, Watch&) {}

struct Joined {  // From there; Left looks the same.
  static constexpr std::string_view kType = "joined";
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Joined& joined) {
  fields("player", joined.player);
}

Result<Effects> on(Lobby& lobby, const Entered& entered, const Context&) {
  const auto presence = EntityId::of("presence", entered.player);
  if (!presence) return presence.error();
  lobby.members.try_emplace(entered.player, false);
  Effects effects;
  effects.emit(*presence, Watch{});
  return effects;
}

Result<Effects> on(Lobby& lobby, const Joined& joined, const Context& context) {
  if (!context.producer().is_hub()) return Error{ErrorCode::MALFORMED, "only presence says who is there"};
  lobby.members[joined.player] = true;
  return Effects();
}

Result<Effects> on(Lobby& lobby, const Left& left, const Context& context) {
  if (!context.producer().is_hub()) return Error{ErrorCode::MALFORMED, "only presence says who is there"};
  lobby.members[left.player] = false;
  return Effects();
}

// The one event that a hub is told.
Result<Effects> tell(HubState& hub, std::string_view entity, ProducerId producer, std::string type,
                     std::string payload) {
  const auto self = EntityId::parse(entity).value();
  const Event event{.type = std::move(type),
                    .payload = std::move(payload),
                    .producer = std::move(producer),
                    .sequence = 1,
                    .accepted_at_ms = 1};
  return hub.apply(event, Context(self, 1, event));
}

class Watching : public ::testing::Test {
 protected:
  // Gives `hub` what `from` has just said, which is to be one event for it.
  static Result<Effects> pass_on(const Result<Effects>& said, std::string_view from, HubState& hub,
                                 std::string_view entity) {
    if (!said) return said.error();
    CHECK(said->size() == 1 && said->list().front().target.text() == entity);
    const auto& event = said->list().front();
    return tell(hub, entity, ProducerId::hub(EntityId::parse(from).value()), event.type, event.payload);
  }
  Result<Effects> from_gateway(std::string type) {
    return tell(*presence, "presence/ana", ProducerId::hub(EntityId::parse("gateway/ant/1").value()), std::move(type),
                R"({"connection":"1"})");
  }

  const Behaviour behaviour = Behaviour::of<Lobby>("lobby", /*version=*/1).on<Entered>().on<Joined>().on<Left>();
  const Behaviour presences = actors::presence_behaviour();
  const std::unique_ptr<HubState> lobby = behaviour.initial_state(), presence = presences.initial_state();
};

TEST_F(Watching, TheGuidesHubHearsWhoComesAndGoes) {
  // Given a lobby that Ana has entered.
  const auto entered = tell(*lobby, "lobby/1", ProducerId::client("me").value(), "entered", R"({"player":"ana"})");
  ASSERT_TRUE(pass_on(entered, "lobby/1", *presence, "presence/ana").ok());
  EXPECT_EQ(lobby->encode(), R"({"members":{"ana":false}})");
  // When she comes, and when she goes.
  ASSERT_TRUE(pass_on(from_gateway("arrived"), "presence/ana", *lobby, "lobby/1").ok());
  EXPECT_EQ(lobby->encode(), R"({"members":{"ana":true}})");
  ASSERT_TRUE(pass_on(from_gateway("departed"), "presence/ana", *lobby, "lobby/1").ok());
  EXPECT_EQ(lobby->encode(), R"({"members":{"ana":false}})");
}

TEST_F(Watching, P9ClientsCannotSayWhoIsThere) {
  for (const char* type : {"joined", "left"})
    EXPECT_FALSE(tell(*lobby, "lobby/1", ProducerId::client("me").value(), type, R"({"player":"ana"})").ok());
}

}  // namespace
}  // namespace carillon::lobby
