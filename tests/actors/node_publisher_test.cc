// What the node itself publishes while a partition answers nothing: bounded, and who is here is told in the end (P7). The partition
// is played by the test, in one thread.
#include "actors/node_publisher.h"

#include <kj/async-io.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <iterator>

#include "actors/built_in.h"
#include "actors/presence.h"
#include "tests/support/stepped_actors.h"

namespace carillon::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using For = NodePublisher::For;

class NodePublisherTest : public ::testing::Test {
 protected:
  explicit NodePublisherTest(std::chrono::milliseconds sign_every = EdgeLimits().presence_sign_every) {
    partition_ = actors_.listener<SessionOpened, SessionClosed, Publish, InspectEntity>(
        [this](const auto& message) { heard(message); });
    EdgeLimits limits;
    limits.presence_grace = std::chrono::milliseconds(0);
    limits.presence_sign_every = sign_every;
    edge_.emplace(actors_.system(), std::make_shared<std::vector<caf::actor>>(1, partition_),
                  with_built_in_behaviours(Catalogue()).value(), few_in_a_call(), limits, node_, inbox_,
                  io_.provider->getTimer());
    publisher_.emplace(*edge_, "this node");
    edge_->own_events = &*publisher_;
  }
  ~NodePublisherTest() noexcept override { actors_.end(partition_); }

  static constexpr std::size_t kBatchEventsMax = 100;
  static runtime::Limits few_in_a_call() {
    runtime::Limits limits;
    limits.batch_events_max = kBatchEventsMax;
    return limits;
  }

  // --- What the partition hears.
  void heard(const SessionOpened& opened) { host_ = opened.host; }
  void heard(const SessionClosed&) {}
  void heard(const Publish& publish) {
    calls_.push_back(publish.request);
    largest_call_ = std::max(largest_call_, publish.request.items.size());
  }
  void heard(const InspectEntity& asked) { asked.answer(runtime::Partition::Inspection{{1, 0}, 0, 0}); }

  // As much for `whom` as may wait.
  void fill(For whom) {
    const auto entity = EntityId::parse("player/ada").value();
    for (std::size_t i = 0; i < NodePublisher::kWaitingMax; ++i)
      publisher_->publish(whom, entity, "note", "{}").detach([](kj::Exception&&) {});
    settle();
  }
  bool has_room(For whom) {
    auto stored = publisher_->publish(whom, EntityId::parse("player/ada").value(), "note", "{}");
    return !stored.poll(io_.waitScope) || stored.wait(io_.waitScope).ok();
  }
  // Answers all that comes: it is stored. What of it is told to hubs of presence, in order.
  std::vector<std::string> store_all() {
    std::vector<std::string> told;
    for (settle(); !calls_.empty(); settle()) {
      const auto request = calls_.front();
      calls_.pop_front();
      for (const auto& item : request.items)
        if (item.entity.kind() == "gateway") told.push_back(item.event.type + " " + item.event.payload);
      host_->published({request.session,
                        request.call,
                        static_cast<std::uint32_t>(request.items.size()),
                        0,
                        {},
                        request.items.front().index});
    }
    return told;
  }
  // Everything that follows from what was said is done when this returns.
  void settle() {
    for (int turn = 0; turn < 5; ++turn) {
      actors_.run();
      io_.waitScope.poll();
    }
  }
  void pass(kj::Duration time) {
    io_.provider->getTimer().afterDelay(time).wait(io_.waitScope);
    settle();
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  kj::Promise<void> jobs_ = inbox_->run(*io_.lowLevelProvider).eagerlyEvaluate(nullptr);
  testing::SteppedActors actors_;
  NodeEdge node_{{}, {}, nullptr};
  std::optional<Edge> edge_;
  std::optional<NodePublisher> publisher_;
  std::size_t largest_call_ = 0;

 private:
  caf::actor partition_;
  std::shared_ptr<SessionHost> host_;
  std::deque<runtime::PublishRequest> calls_;
};

TEST_F(NodePublisherTest, P7WhatClientsAskForLeavesRoomForTheNode) {
  fill(For::kClients);
  EXPECT_FALSE(has_room(For::kClients));
  EXPECT_TRUE(has_room(For::kNode));
  store_all();
  EXPECT_TRUE(has_room(For::kClients));
}

TEST_F(NodePublisherTest, P7APartitionThatIsAwayTakesNoRoomFromOthers) {
  fill(For::kClients);
  EXPECT_TRUE(publisher_->has_room(For::kClients));
  EXPECT_FALSE(publisher_->has_room(For::kClients, EntityId::parse("player/ada").value()));
}

TEST_F(NodePublisherTest, P7NoCallHasMoreEventsThanMayBeInOne) {
  // Given a node whose calls have few events, and many that wait for a partition.
  fill(For::kNode);
  // Then all are stored, and it goes on.
  store_all();
  EXPECT_TRUE(has_room(For::kNode));
  EXPECT_LE(largest_call_, kBatchEventsMax);
}

TEST_F(NodePublisherTest, P7WhoIsHereIsToldWhenThereIsRoomAgain) {
  // Given one player who is known to be here, and no room for more,
  PresenceReporter reporter(*edge_, "store");
  auto ada = reporter.arrived("ada");
  EXPECT_THAT(store_all(), ElementsAre(HasSubstr("started"), HasSubstr("ada")));
  fill(For::kNode);
  // when he goes, another one comes and stays, and a third one comes and goes,
  ada.reset();
  const auto bo = reporter.arrived("bo");
  reporter.arrived("cy").reset();
  pass(1 * kj::MILLISECONDS);
  // then it is told what has become of them, and nothing of who has been here meanwhile.
  auto told = store_all();
  const auto has_told = [&](const char* what) {
    return std::ranges::any_of(told, [&](const std::string& one) { return one.find(what) != std::string::npos; });
  };
  for (int rounds = 0; rounds < 1'000 && !(has_told("closed") && has_told("\"bo\"")); ++rounds) {
    pass(10 * kj::MILLISECONDS);
    std::ranges::move(store_all(), std::back_inserter(told));
  }
  EXPECT_THAT(told, ::testing::Contains(HasSubstr("closed")).Times(1));
  EXPECT_THAT(told, ::testing::Contains(HasSubstr("\"bo\"")).Times(1));
  EXPECT_THAT(told, ::testing::Not(::testing::Contains(HasSubstr("\"cy\""))));
  pass(200 * kj::MILLISECONDS);
  EXPECT_THAT(store_all(), IsEmpty()) << "once";
}

class SignOfLife : public NodePublisherTest {
 protected:
  SignOfLife() : NodePublisherTest(std::chrono::milliseconds(100)) {}
};

TEST_F(SignOfLife, P7WhoIsHereIsToldAnewAfterALongTimeInWhichNothingCouldBeTold) {
  // Given a player who is known to be here, and a node that says from time to time that it is alive.
  PresenceReporter reporter(*edge_, "store");
  const auto ada = reporter.arrived("ada");
  std::vector<std::string> told;
  for (int rounds = 0;
       rounds < 1'000 && !std::ranges::any_of(told, [](const auto& one) { return one.starts_with("alive"); });
       ++rounds) {
    pass(10 * kj::MILLISECONDS);
    std::ranges::move(store_all(), std::back_inserter(told));
  }
  EXPECT_THAT(told, ::testing::Contains(HasSubstr("alive")));
  // When nothing is stored for several times as long, and then all is,
  pass(600 * kj::MILLISECONDS);
  told = store_all();
  std::ranges::move(store_all(), std::back_inserter(told));
  // then everybody is told of anew: they may have been taken for gone.
  EXPECT_THAT(told, ::testing::Contains(HasSubstr("started")));
  EXPECT_THAT(told, ::testing::Contains(HasSubstr("\"ada\"")).Times(1));
}

TEST_F(SignOfLife, P7WhoWasHereAndIsToldLateToHaveGoneIsFollowedByANewBeginning) {
  // Given a player who is known to be here, and goes when nothing can be told, for long.
  PresenceReporter reporter(*edge_, "store");
  auto ada = reporter.arrived("ada");
  EXPECT_THAT(store_all(), ElementsAre(HasSubstr("started"), HasSubstr("ada")));
  ada.reset();
  pass(600 * kj::MILLISECONDS);
  // When it can, then the hub, which may have taken everybody for gone, hears of a new beginning.
  auto told = store_all();
  std::ranges::move(store_all(), std::back_inserter(told));
  EXPECT_THAT(told, ::testing::Contains(HasSubstr("closed")));
  EXPECT_THAT(told, ::testing::Contains(HasSubstr("started")));
}

}  // namespace
}  // namespace carillon::actors
