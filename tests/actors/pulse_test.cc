#include "actors/pulse.h"

#include <gtest/gtest.h>

#include "tests/support/stepped_actors.h"

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;

TEST(Pulse, TellsEverybodyEachTimeUntilItIsStopped) {
  // Given two actors
  testing::SteppedActors actors;
  int first = 0, second = 0;
  const auto listeners = std::make_shared<std::vector<caf::actor>>(std::vector{
      actors.listener<TickDue>([&](TickDue) { ++first; }), actors.listener<TickDue>([&](TickDue) { ++second; })});
  // When they get a pulse
  const auto pulse = actors.system().spawn(actors::pulse, PulseOptions{10ms, listeners});
  actors.run();
  // Then each is told at once, and again whenever the time has passed,
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
  actors.pass(9ms);
  EXPECT_EQ(first, 1);
  for (int i = 0; i < 3; ++i) actors.pass(10ms);
  EXPECT_EQ(first, 4);
  EXPECT_EQ(second, 4);
  // until it ends.
  actors.tell(pulse, Stop{});
  actors.pass(1s);
  EXPECT_EQ(first, 4);
  for (const auto& actor : *listeners) actors.end(actor);
}

}  // namespace
}  // namespace carillon::actors
