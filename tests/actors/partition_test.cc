// A partition's actor, whose peers and journal a test plays. What it decides is tested with runtime::Partition.
#include "actors/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/key.h"
#include "tests/support/counting_hub.h"
#include "tests/support/stepped_actors.h"
#include "tests/support/store_on.h"

namespace carillon::actors {
namespace {

constexpr std::size_t kMiB = 1 << 20;

class PartitionActor : public ::testing::Test {
 protected:
  PartitionActor() {
    // Writes at once.
    journal_ = actors_.system().spawn([store = store_](caf::event_based_actor*) {
      return caf::behavior{[store](Commit& commit) {
        CHECK(store->write(commit.writes, commit.sync).ok());
        caf::anon_send(commit.reply_to, Committed{});
      }};
    });
    peer_ =
        actors_.listener<EmissionsArrived, EmissionsAccepted, RestartHubs>([this](const auto& said) { note(said); });
    partition_ = actors_.system().spawn(
        partition, PartitionOptions{{{0}, 2, testing::counter_catalogue(), {}, {}}, store_, journal_, {}});
    actors_.tell(partition_, Peers{std::make_shared<std::vector<caf::actor>>(std::vector{partition_, peer_})});
  }
  ~PartitionActor() override {
    actors_.tell(partition_, Stop{});
    for (const auto& actor : {partition_, peer_, journal_}) actors_.end(actor);
    env_.settle();
  }

  // The `number`th name of which the partition has that number.
  static std::string named(const std::string& prefix, std::uint16_t partition, int number) {
    for (int i = 0;; ++i) {
      auto name = prefix + std::to_string(i);
      if (EntityId::trusted(name).partition_of(2).value == partition && number-- == 0) return name;
    }
  }

  testing::FaultyEnv env_;
  std::shared_ptr<runtime::Store> store_ = testing::store_on(env_);
  testing::SteppedActors actors_;
  caf::actor partition_, peer_, journal_;
  std::size_t arrived_ = 0, largest_ = 0;

 private:
  void note(const EmissionsArrived& message) {
    std::size_t bytes = 0;
    for (const auto& of_hub : message.emissions) {
      EXPECT_EQ(of_hub.first, of_hub.emissions.front().event.sequence);
      for (const auto& emission : of_hub.emissions) {
        bytes += emission.event.payload.size() + 64;
        ++arrived_;
      }
    }
    largest_ = std::max(largest_, bytes);
  }
  void note(const EmissionsAccepted&) {}
  void note(const RestartHubs&) {}
};

TEST_F(PartitionActor, P5IsDrainedWhenNobodyCanSendItMoreWork) {
  std::vector<bool> had_work;
  const auto stopping =
      actors_.listener<Drained>([&](const Drained& drained) { had_work.push_back(drained.had_work); });
  // Given a partition that says that it is drained.
  actors_.tell(partition_, Drain{stopping});
  actors_.tell(partition_, Drain{stopping});
  ASSERT_THAT(had_work, ::testing::ElementsAre(true, false));
  // When a hub of one that is not has work for one of its hubs,
  const auto sender = EntityId::trusted(named("counter/", 1, 0));
  runtime::HubEmissions emissions{sender, 1, {}, 0};
  emissions.emissions.push_back({EntityId::trusted(named("counter/", 0, 0)),
                                 Event{.type = "add",
                                       .payload = to_json(testing::Add{.amount = 1}),
                                       .producer = ProducerId::hub(sender),
                                       .sequence = 1},
                                 std::nullopt});
  actors_.tell(partition_, EmissionsArrived{{1}, {std::move(emissions)}});
  actors_.tell(partition_, Drain{stopping});
  // then it says so; and its hub was saved at once.
  EXPECT_THAT(had_work, ::testing::ElementsAre(true, false, true));
  EXPECT_TRUE(store_->get(runtime::entity_key({0}, runtime::Tag::kSnapshot, EntityId::trusted(named("counter/", 0, 0))))
                  ->has_value());
  actors_.end(stopping);
}

// They share a link with leases and signs of life, which wait for each message that is on its way.
TEST_F(PartitionActor, P7WhatManyHubsEmitAtOnceLeavesInPieces) {
  // Given one commit that makes many hubs tell players of another partition something, two MiB in all.
  constexpr int kHubs = 32;
  const auto player = named("player/", 1, 0).substr(std::string("player/").size());
  runtime::PublishRequest request;
  for (int i = 0; i < kHubs; ++i) {
    testing::Add add{.amount = 1, .player = player, .times = 1'000};
    request.items.push_back({static_cast<std::uint32_t>(i), EntityId::trusted(named("counter/", 0, i)),
                             Event{.type = "add",
                                   .payload = to_json(add),
                                   .producer = *ProducerId::client("tester"),
                                   .sequence = static_cast<Sequence>(i) + 1}});
  }
  // When they do.
  actors_.tell(partition_, Publish{std::move(request), 0});
  // Then all leaves, and no message is large.
  EXPECT_EQ(arrived_, kHubs * 1'000u);
  EXPECT_LT(largest_, kMiB + kMiB / 4);
}

}  // namespace
}  // namespace carillon::actors
