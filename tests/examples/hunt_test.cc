#include "examples/hunt/hunt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::hunt {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// The dice depend on the offset only: some digs find something, some do not.
Context at(Offset offset) { return any_context(0, offset); }

Offset offset_of_a_find() {
  Offset offset = 1;
  while (!treasure_of(at(offset).random())) ++offset;
  return offset;
}

Offset offset_of_nothing() {
  Offset offset = 1;
  while (treasure_of(at(offset).random())) ++offset;
  return offset;
}

Island island_of_ada_and_bo() {
  Island island;
  EXPECT_TRUE(on(island, Landed{.player = "Ada"}, at(1)).ok());
  EXPECT_TRUE(on(island, Landed{.player = "Bo the Bold!"}, at(2)).ok());
  return island;
}

TEST(Hunt, WhoLandsIsToldHowThingsStand) {
  Island island;
  const Effects effects = on(island, Landed{.player = "Ada"}, at(1)).value();
  EXPECT_THAT(effects.notified(), ElementsAre("Ada"));
  const Ashore ashore = effects.sent_to<Ashore>("player/Ada").at(0);
  EXPECT_EQ(ashore.at, 1u);
  EXPECT_EQ(ashore.tide, 1u);
  EXPECT_THAT(ashore.ground, SizeIs(kHeight));
  EXPECT_EQ(ashore.ground[0], std::string(kWidth, kSand));
  EXPECT_THAT(ashore.leaders, ElementsAre(Leader{"Ada", 0}));
}

TEST(Hunt, TreasureIsToldToItsFinderAndSeenByTheOthers) {
  Island island = island_of_ada_and_bo();
  const auto offset = offset_of_a_find();
  const auto treasure = treasure_of(at(offset).random()).value();
  const Effects effects = on(island, Dug{.player = "Ada", .x = 3, .y = 4, .dig = 7}, at(offset)).value();
  EXPECT_THAT(effects.notified(), ElementsAre("Ada", "Bo the Bold!"));
  const TreasureFound found = effects.sent_to<TreasureFound>("player/Ada").at(0);
  EXPECT_EQ(found.dig, 7u);
  EXPECT_EQ(found.treasure, treasure.name);
  EXPECT_EQ(found.score, treasure.worth);
  EXPECT_THAT(found.leaders, ElementsAre(Leader{"Ada", treasure.worth}, Leader{"Bo the Bold!", 0}));
  EXPECT_EQ(effects.sent_to<TreasureSeen>("player/Bo the Bold!").at(0).player, "Ada");
  EXPECT_EQ(island.ground[4][3], treasure.name.front());
}

TEST(Hunt, EveryDigIsAnsweredOnceWithItsNumber) {
  Island island = island_of_ada_and_bo();
  for (Offset offset = 3; offset < 100; ++offset) {
    const Dug dug{.player = "Ada", .x = static_cast<std::uint32_t>(offset % kWidth), .y = 0, .dig = offset};
    const Effects effects = on(island, dug, at(offset)).value();
    const auto found = effects.sent_to<TreasureFound>("player/Ada").size();
    const auto holes = effects.sent_to<HoleDug>("player/Ada").size();
    EXPECT_EQ(found + holes, 1u) << offset;
  }
  EXPECT_EQ(island.digs, 97u);
}

TEST(Hunt, WhoHasNotLandedDoesSoByDigging) {
  Island island;
  const Effects effects = on(island, Dug{.player = "Cy", .x = 0, .y = 0, .dig = 1}, at(offset_of_nothing())).value();
  EXPECT_THAT(effects.notified(), ElementsAre("Cy"));
  EXPECT_EQ(island.diggers["Cy"].digs, 1u);
}

TEST(Hunt, AHoleHoldsNothingMore) {
  Island island = island_of_ada_and_bo();
  ASSERT_TRUE(on(island, Dug{.player = "Ada", .x = 3, .y = 4, .dig = 1}, at(offset_of_nothing())).ok());
  const Effects effects = on(island, Dug{.player = "Bo the Bold!", .x = 3, .y = 4}, at(offset_of_a_find())).value();
  EXPECT_THAT(effects.notified(), ElementsAre("Bo the Bold!"));
  EXPECT_TRUE(effects.sent_to<HoleDug>("player/Bo the Bold!").at(0).again);
}

TEST(Hunt, TheTideComesSomeTimeAfterTheWholeBeachIsDugUp) {
  // Given an island whose last square of sand has been dug up: it has set itself one reminder.
  Island island = island_of_ada_and_bo();
  std::vector<std::pair<UnixMs, TideDue>> reminders;
  for (std::uint32_t i = 0; i < kWidth * kHeight + 5; ++i) {
    const Dug dug{.player = "Ada", .x = i % kWidth, .y = i / kWidth % kHeight};
    const Effects effects = on(island, dug, any_context(1'000, 3 + i)).value();
    std::ranges::move(effects.reminders_for<TideDue>("test/1"), std::back_inserter(reminders));
  }
  ASSERT_THAT(reminders, SizeIs(1));
  EXPECT_EQ(reminders[0].first, 1'000 + kTideAfterMs);
  EXPECT_NE(island.ground, Island().ground);
  // When it comes, then everybody hears of the tide, and the beach is as new.
  const Effects effects = on(island, reminders[0].second, at(200));
  EXPECT_EQ(effects.sent_to<TideCame>("player/Bo the Bold!").at(0).tide, 2u);
  EXPECT_EQ(effects.sent_to<TideCame>("player/Ada").size(), 1u);
  EXPECT_EQ(island.ground, Island().ground);
  EXPECT_GT(island.diggers["Ada"].score, 0u);
  // When it comes again, or somebody publishes the next one before its time, then nothing happens.
  EXPECT_TRUE(on(island, reminders[0].second, at(201)).empty());
  EXPECT_TRUE(on(island, TideDue{.tide = 2}, at(202)).empty());
}

TEST(Hunt, P5TheSameDigsFindTheSame) {
  const auto play = [] {
    Island island = island_of_ada_and_bo();
    std::vector<std::string> told;
    for (Offset offset = 3; offset < 300; ++offset) {
      const Dug dug{.player = offset % 3 == 0 ? "Ada" : "Bo the Bold!",
                    .x = static_cast<std::uint32_t>(offset * 7 % kWidth),
                    .y = static_cast<std::uint32_t>(offset * 3 % kHeight)};
      const Effects effects = on(island, dug, at(offset)).value();
      for (const Effect& effect : effects.list()) told.push_back(effect.target.text() + effect.payload);
    }
    told.push_back(to_json(island));
    return told;
  };
  EXPECT_THAT(play(), Not(IsEmpty()));
  EXPECT_EQ(play(), play());
}

TEST(Hunt, P6TheSeaAndImpossibleNamesAreFailures) {
  Island island = island_of_ada_and_bo();
  const std::string before = to_json(island);
  EXPECT_FALSE(on(island, Dug{.player = "Ada", .x = kWidth, .y = 0}, at(3)).ok());
  EXPECT_FALSE(on(island, Dug{.player = "Ada", .x = 0, .y = kHeight}, at(3)).ok());
  EXPECT_FALSE(on(island, Dug{.player = "", .x = 0, .y = 0}, at(3)).ok());
  EXPECT_FALSE(on(island, Landed{.player = ""}, at(3)).ok());
  EXPECT_FALSE(on(island, Landed{.player = "a\tb"}, at(3)).ok());
  EXPECT_EQ(to_json(island), before);
}

TEST(Hunt, P7AnIslandHasALimitedNumberOfDiggers) {
  Island island = island_of_ada_and_bo();
  for (std::size_t i = 2; i < kDiggersMax; ++i)
    ASSERT_TRUE(on(island, Landed{.player = "n" + std::to_string(i)}, at(1 + i)).ok());
  // When Ada is heard again, and one more comes.
  ASSERT_TRUE(on(island, Dug{.player = "Ada", .x = 0, .y = 0}, at(100)).ok());
  ASSERT_TRUE(on(island, Landed{.player = "one more"}, at(101)).ok());
  // Then Bo, who was silent longest, has left.
  EXPECT_THAT(island.diggers, SizeIs(kDiggersMax));
  EXPECT_FALSE(island.diggers.contains("Bo the Bold!"));
  EXPECT_TRUE(island.diggers.contains("Ada"));
  EXPECT_TRUE(island.diggers.contains("one more"));
}

TEST(Hunt, IsInstalledAsKindIsland) {
  Catalogue catalogue;
  ASSERT_TRUE(catalogue.add(island_behaviour()));
  for (const char* type : {"landed", "dug"}) EXPECT_TRUE(catalogue.find("island")->handles(type)) << type;
}

}  // namespace
}  // namespace carillon::hunt
