// A hub's actor, whose partition and clock a test plays. What it folds is tested with Fold and Partition.
#include "actors/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/counting_hub.h"
#include "tests/support/stepped_actors.h"
#include "tests/support/store_on.h"

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kIncarnation = 7;

class Hub : public ::testing::Test {
 protected:
  Hub() {
    partition_ = actors_.listener<runtime::HubReport, Rest, HubStale>([this](const auto& message) { note(message); });
    limits_.emission_bytes_max = 10'000;
    hub_ = actors_.system().spawn(
        hub, HubOptions{{counter_, 1, limits_, held_by_all_}, testing::counter_behaviour(), kIncarnation},
        std::shared_ptr<const runtime::Storage>(store_), partition_);
    actors_.run();
  }
  ~Hub() override {
    actors_.end(hub_);
    actors_.end(partition_);
    env_.settle();
  }

  // Which tells a player.
  void feed_an_event() {
    const Event event{.type = "add",
                      .payload = to_json(testing::Add{.amount = 5, .player = "ada"}),
                      .producer = *ProducerId::client("tester"),
                      .sequence = 1};
    FeedHub feed;
    feed.events.push_back(runtime::slice_of({1, {event}}));
    actors_.tell(hub_, std::move(feed));
  }

  testing::FaultyEnv env_;
  const EntityId counter_ = EntityId::trusted("counter/a");
  std::shared_ptr<runtime::Store> store_ = testing::store_on(env_);
  testing::SteppedActors actors_;
  caf::actor partition_, hub_;
  runtime::Limits limits_;
  std::shared_ptr<runtime::EmissionBytes> held_by_all_ = std::make_shared<runtime::EmissionBytes>(0);
  std::size_t rests_ = 0, stale_ = 0;
  Offset folded_ = 0;  // As it reports.

 private:
  void note(const runtime::HubReport& report) { folded_ = report.folded; }
  void note(const Rest&) { ++rests_; }
  void note(const HubStale& stale) { stale_ += stale.hub == counter_ && stale.incarnation == kIncarnation; }
};

TEST_F(Hub, RestsWhenAllThatItHasEmittedIsDurableAndNothingComes) {
  const auto pass_a_minute = [&] {
    for (int i = 0; i < 6; ++i) actors_.pass(10s);
  };
  feed_an_event();
  pass_a_minute();
  EXPECT_EQ(rests_, 0u);
  actors_.tell(hub_, EmissionsAcknowledged{{0}, 1});
  pass_a_minute();
  EXPECT_GT(rests_, 0u);
}

TEST_F(Hub, P5StartsAnewWhenWhatItHasEmittedMayBeLost) {
  // Given a hub that has told a player something, which may be lost on its way.
  actors_.tell(hub_, RestartHubs{{0}});
  EXPECT_EQ(stale_, 0u);
  feed_an_event();
  actors_.tell(hub_, RestartHubs{{0}});
  EXPECT_EQ(stale_, 1u);
  // When it is durable, then there is no need.
  actors_.tell(hub_, EmissionsAcknowledged{{0}, 1});
  actors_.tell(hub_, RestartHubs{{0}});
  EXPECT_EQ(stale_, 1u);
}

TEST_F(Hub, P7WaitsWhileAllHubsHoldTooMuchAndGoesOnByItself) {
  *held_by_all_ = 2 * limits_.emission_bytes_max;
  feed_an_event();
  EXPECT_EQ(folded_, 0u);
  *held_by_all_ = 0;
  actors_.pass(1s);
  EXPECT_EQ(folded_, 1u);
}

}  // namespace
}  // namespace carillon::actors
