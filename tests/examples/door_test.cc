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

TEST(Door, P6NobodyCannotKnock) {
  Door door;
  EXPECT_FALSE(on(door, Knock{}, any_context()).ok());
}

}  // namespace
}  // namespace carillon::door
