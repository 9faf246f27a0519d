// Those who catch up take turns at reading history, so that they do not stand before what is live (P7).
#include "actors/reading_turns.h"

#include <gmock/gmock.h>
#include <caf/io/all.hpp>

#include "actors/system_config.h"

namespace carillon::testing {
struct Granted {
  std::string name;
  actors::ReadingTurn turn;
};
}  // namespace carillon::testing
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(carillon::testing::Granted)

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::Granted;
using ::testing::IsEmpty;

class P7ReadingTurns : public ::testing::Test {
 protected:
  // Asks for a turn, which is to be known by `name`.
  void want(PartitionId partition, const std::string& name) {
    const auto me = caf::actor_cast<caf::actor>(self_);
    caf::anon_send(turns_, WantTurn{partition, [me, name](ReadingTurn turn) {
                                      caf::anon_send(me, Granted{name, std::move(turn)});
                                    }});
  }
  // Keeps what is granted until nothing comes any more; the names, in order.
  std::vector<std::string> granted() {
    std::vector<std::string> names;
    for (bool more = true; more;)
      self_->receive(
          [&](const Granted& granted) {
            names.push_back(granted.name);
            kept_.emplace(granted.name, granted.turn);
          },
          caf::after(200ms) >> [&] { more = false; });
    return names;
  }
  void give_up(const std::string& name) { kept_.erase(name); }

  SystemConfig config_{1};
  caf::actor_system system_{config_};
  caf::scoped_actor self_{system_};
  caf::actor turns_ = system_.spawn(reading_turns, std::size_t{2});
  std::map<std::string, ReadingTurn> kept_;
};

TEST_F(P7ReadingTurns, AreTwoOfAPartitionInTheOrderInWhichTheyWereWanted) {
  for (const auto* name : {"a", "b", "c", "d"}) want({0}, name);
  EXPECT_THAT(granted(), ElementsAre("a", "b"));
  give_up("b");
  EXPECT_THAT(granted(), ElementsAre("c"));
  EXPECT_THAT(granted(), IsEmpty());
  give_up("a");
  EXPECT_THAT(granted(), ElementsAre("d"));
}

TEST_F(P7ReadingTurns, OfOnePartitionDoNotWaitForAnother) {
  for (const auto* name : {"a", "b", "c"}) want({0}, name);
  want({1}, "other");
  EXPECT_THAT(granted(), ElementsAre("a", "b", "other"));
}

TEST_F(P7ReadingTurns, GoBackWhenNobodyIsThereToTakeThem) {
  for (int i = 0; i < 2; ++i) caf::anon_send(turns_, WantTurn{PartitionId{0}, [](const ReadingTurn&) {}});
  want({0}, "a");
  EXPECT_THAT(granted(), ElementsAre("a"));
}

}  // namespace
}  // namespace carillon::actors
