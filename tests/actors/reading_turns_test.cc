// Those who catch up take turns at reading history, so that they do not stand before what is live (P7).
#include "actors/reading_turns.h"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/stepped_actors.h"

namespace carillon::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class P7ReadingTurns : public ::testing::Test {
 protected:
  ~P7ReadingTurns() override {
    kept_.clear();
    actors_.end(turns_);
  }

  // Asks for a turn, which is to be known by `name`.
  void want(PartitionId partition, const std::string& name) {
    actors_.tell(turns_, WantTurn{partition, [this, name](ReadingTurn turn) {
                                    granted_.push_back(name);
                                    kept_.emplace(name, std::move(turn));
                                  }});
  }
  // What was granted since the last time, and is kept; the names, in order.
  std::vector<std::string> granted() {
    actors_.run();
    return std::exchange(granted_, {});
  }
  void give_up(const std::string& name) { kept_.erase(name); }

  testing::SteppedActors actors_;
  caf::actor turns_ = actors_.system().spawn(reading_turns, std::size_t{2});
  std::vector<std::string> granted_;
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
  for (int i = 0; i < 2; ++i) actors_.tell(turns_, WantTurn{PartitionId{0}, [](const ReadingTurn&) {}});
  want({0}, "a");
  EXPECT_THAT(granted(), ElementsAre("a"));
}

}  // namespace
}  // namespace carillon::actors
