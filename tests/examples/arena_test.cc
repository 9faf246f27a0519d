#include "examples/arena/arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::arena {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr ClientNumber kAda = 0;
constexpr ClientNumber kBo = 1;

Match match_of_ada_and_bo() {
  Match match{.map = "q3dm17"};
  EXPECT_TRUE(on(match, PlayerNamed{.client = kAda, .name = "Ada"}, any_context()).ok());
  EXPECT_TRUE(on(match, PlayerNamed{.client = kBo, .name = "Bo the Bold!"}, any_context()).ok());
  return match;
}

Effects kill(Match& match, ClientNumber killer, ClientNumber victim) {
  const Kill kill{.killer = killer, .victim = victim, .means = "MOD_ROCKET", .at_s = 12};
  return on(match, kill, any_context()).value();
}

TEST(Arena, AKillIsAFragForOneAndADeathForTheOther) {
  Match match = match_of_ada_and_bo();
  const Effects effects = kill(match, kAda, kBo);
  EXPECT_THAT(effects.notified(), ElementsAre("Ada", "Bo the Bold!"));
  const Frag frag = effects.sent_to<Frag>("player/Ada").at(0);
  EXPECT_EQ(frag.victim, "Bo the Bold!");
  EXPECT_EQ(frag.score, 1);
  EXPECT_EQ(frag.at_s, 12u);
  EXPECT_EQ(frag.match, "test/1");
  const Death death = effects.sent_to<Death>("player/Bo the Bold!").at(0);
  EXPECT_EQ(death.killer, "Ada");
  EXPECT_EQ(death.means, "MOD_ROCKET");
  EXPECT_EQ(death.score, 0);
}

TEST(Arena, TheWorldCostsItsVictimOnePointAndHearsNothing) {
  Match match = match_of_ada_and_bo();
  const Effects effects = kill(match, kWorld, kAda);
  EXPECT_THAT(effects.notified(), ElementsAre("Ada"));
  EXPECT_EQ(effects.sent_to<Death>("player/Ada").at(0).killer, std::nullopt);
  EXPECT_EQ(match.scores["Ada"], -1);
}

TEST(Arena, WhoKillsOneselfKeepsTheScore) {
  Match match = match_of_ada_and_bo();
  const Effects effects = kill(match, kAda, kAda);
  EXPECT_THAT(effects.notified(), ElementsAre("Ada"));
  EXPECT_EQ(effects.sent_to<Death>("player/Ada").size(), 1u);
  EXPECT_EQ(match.scores["Ada"], 0);
}

TEST(Arena, TheScoreBelongsToTheName) {
  Match match = match_of_ada_and_bo();
  kill(match, kAda, kBo);
  // When Ada renames, and comes back as another client under the old name.
  ASSERT_TRUE(on(match, PlayerNamed{.client = kAda, .name = "^1Ada"}, any_context()).ok());
  kill(match, kAda, kBo);
  ASSERT_TRUE(on(match, PlayerNamed{.client = 9, .name = "Ada"}, any_context()).ok());
  const Effects effects = kill(match, 9, kBo);
  // Then each name has what it won.
  EXPECT_EQ(effects.sent_to<Frag>("player/Ada").at(0).score, 2);
  EXPECT_EQ(match.scores["^1Ada"], 1);
}

TEST(Arena, TheEndTellsEveryNameTheScoreboardOnce) {
  Match match = match_of_ada_and_bo();
  kill(match, kBo, kAda);
  ASSERT_TRUE(on(match, PlayerNamed{.client = kAda, .name = "Cy"}, any_context()).ok());
  ASSERT_TRUE(on(match, PlayerNamed{.client = 5, .name = "Ada"}, any_context()).ok());
  const Effects effects = on(match, MatchEnded{}, any_context()).value();
  EXPECT_THAT(effects.notified(), ElementsAre("Ada", "Bo the Bold!", "Cy"));
  EXPECT_THAT(effects.sent_to<MatchOver>("player/Cy").at(0).scoreboard,
              ElementsAre(Standing{"Bo the Bold!", 1}, Standing{"Ada", 0}, Standing{"Cy", 0}));
}

TEST(Arena, NothingChangesAMatchThatIsOver) {
  Match match = match_of_ada_and_bo();
  ASSERT_TRUE(on(match, MatchEnded{}, any_context()).ok());
  const std::string before = to_json(match);
  EXPECT_THAT(kill(match, kAda, kBo).notified(), IsEmpty());
  EXPECT_THAT(on(match, MatchEnded{}, any_context())->notified(), IsEmpty());
  EXPECT_THAT(on(match, PlayerNamed{.client = 3, .name = "Dee"}, any_context())->notified(), IsEmpty());
  EXPECT_EQ(to_json(match), before);
}

TEST(Arena, WhoHasNoNameHearsNothing) {
  Match match = match_of_ada_and_bo();
  EXPECT_THAT(kill(match, 7, kAda).notified(), ElementsAre("Ada"));
  EXPECT_THAT(kill(match, kAda, 7).notified(), ElementsAre("Ada"));
  EXPECT_EQ(match.scores["Ada"], 1);
}

TEST(Arena, P6AnImpossibleNumberOrNameIsAFailure) {
  Match match;
  EXPECT_FALSE(on(match, PlayerNamed{.client = kClientsMax, .name = "Ada"}, any_context()).ok());
  EXPECT_FALSE(on(match, PlayerNamed{.client = 0, .name = ""}, any_context()).ok());
  EXPECT_FALSE(on(match, PlayerNamed{.client = 0, .name = "a\tb"}, any_context()).ok());
  EXPECT_FALSE(on(match, Kill{.killer = 64, .victim = 0, .means = ""}, any_context()).ok());
  EXPECT_FALSE(on(match, Kill{.killer = 0, .victim = kWorld, .means = ""}, any_context()).ok());
  EXPECT_EQ(to_json(match), to_json(Match{}));
}

TEST(Arena, P7AMapsNameThatEveryNameWouldBeToldIsShort) {
  Match match;
  EXPECT_TRUE(on(match, MatchBegan{.map = std::string(kMapBytesMax, 'm')}, any_context()).ok());
  EXPECT_EQ(on(match, MatchBegan{.map = std::string(kMapBytesMax + 1, 'm')}, any_context()).error().code,
            ErrorCode::MALFORMED);
}

TEST(Arena, P7AMatchHasALimitedNumberOfNamesAndEndsForAllOfThem) {
  // Given a match with as many names as it may have, each as long as it may be.
  Match match;
  const auto name = [](std::size_t number) {
    auto digits = std::to_string(number);
    return std::string(EntityId::kKeyBytesMax - digits.size(), 'n') + digits;
  };
  for (std::size_t i = 0; i < kNamesMax; ++i)
    ASSERT_TRUE(on(match, PlayerNamed{.client = 0, .name = name(i)}, any_context()).ok());
  EXPECT_FALSE(on(match, PlayerNamed{.client = 0, .name = "one more"}, any_context()).ok());
  EXPECT_TRUE(on(match, PlayerNamed{.client = 0, .name = name(0)}, any_context()).ok());
  // When it ends, then each is told.
  const auto over = on(match, MatchEnded{}, any_context());
  ASSERT_TRUE(over.ok());
  EXPECT_THAT(over->list(), ::testing::SizeIs(kNamesMax));
}

TEST(Arena, IsInstalledAsKindMatch) {
  Catalogue catalogue;
  ASSERT_TRUE(catalogue.add(match_behaviour()));
  for (const char* type : {"match_began", "player_named", "kill", "match_ended"})
    EXPECT_TRUE(catalogue.find("match")->handles(type)) << type;
}

}  // namespace
}  // namespace carillon::arena
