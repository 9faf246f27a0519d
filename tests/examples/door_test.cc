#include "examples/door/door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace carillon::door {
namespace {

TEST(Door, TellsWhoKnocked) {
  Door door;
  const auto effects = on(door, Knock{.player = "ana"}, any_context());
  ASSERT_TRUE(effects.ok());
  EXPECT_THAT(effects->notified(), testing::ElementsAre("ana"));
  EXPECT_EQ(effects->sent_to<Opened>("player/ana").at(0).times, 1u);
}

TEST(Door, ShutsItselfTenSecondsAfterTheLastKnock) {
  Door door;
  const auto first = on(door, Knock{.player = "ana"}, any_context(/*now=*/1'000));
  ASSERT_EQ(first->reminders_for<Shut>("test/1").at(0).first, 11'000);
  ASSERT_TRUE(on(door, Knock{.player = "bo"}, any_context(/*now=*/5'000)).ok());
  on(door, Shut{}, any_context(/*now=*/11'000));
  EXPECT_EQ(door.open_until, 15'000);
  on(door, Shut{}, any_context(/*now=*/15'000));
  EXPECT_EQ(door.open_until, 0);
}

TEST(Door, P6NobodyCannotKnock) {
  Door door;
  EXPECT_FALSE(on(door, Knock{}, any_context()).ok());
}

}  // namespace
}  // namespace carillon::door
