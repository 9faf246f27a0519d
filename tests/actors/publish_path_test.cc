// How one connection's calls reach the partitions: played by a test, in one thread, with the routes of a cluster's node in
// between where it matters that nothing overtakes (P3).
#include "actors/publish_path.h"

#include <kj/async-io.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/route.h"
#include "tests/support/stepped_actors.h"

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint16_t kPartitions = 2;

// A player of that partition.
std::string player_of(std::uint16_t partition) {
  for (int i = 0;; ++i)
    if (auto name = "player/" + std::to_string(i);
        EntityId::parse(name).value().partition_of(kPartitions).value == partition)
      return name;
}

ProducerId producer() { return ProducerId::client("p").value(); }

// "2 accepted" or "0 accepted; 1: unavailable".
std::string words(const runtime::PublishOutcome& outcome) {
  auto words = std::to_string(outcome.accepted) + " accepted";
  for (const auto& refusal : outcome.refusals)
    words += "; " + std::to_string(refusal.index) + ": " + std::string(name_of(refusal.error.code));
  return words;
}

// The sequences of each call that came, with the life that it was meant for.
struct PlayedPartition {
  void operator()(const SessionOpened& opened) { sessions.emplace(opened.session, opened); }
  void operator()(const SessionClosed& closed) { sessions.erase(closed.session); }
  void operator()(const Publish& publish) { calls.push_back(publish); }

  std::map<runtime::SessionId, SessionOpened> sessions;
  std::vector<Publish> calls;
  caf::actor actor;
};

std::vector<Sequence> sequences_of(const runtime::PublishRequest& request) {
  std::vector<Sequence> sequences;
  for (const auto& item : request.items) sequences.push_back(item.event.sequence);
  return sequences;
}

class PublishPathTest : public ::testing::Test {
 protected:
  explicit PublishPathTest(const EdgeLimits& limits = {}) {
    auto actors = std::make_shared<std::vector<caf::actor>>();
    for (auto& partition : partitions_) {
      partition.actor = actors_.listener<SessionOpened, SessionClosed, Publish>(
          [&partition](const auto& message) { partition(message); });
      actors->push_back(partition.actor);
    }
    begin(actors, limits);
  }
  ~PublishPathTest() noexcept override {
    for (const auto& partition : partitions_) actors_.end(partition.actor);
  }
  void begin(const Partitions& partitions, const EdgeLimits& limits) {
    edge_.emplace(actors_.system(), partitions, Catalogue(), runtime::Limits(), limits, node_, inbox_,
                  io_.provider->getTimer());
  }

  // Begins a call with an event for each of these players, numbered from `first`.
  kj::Promise<runtime::PublishOutcome> publish(PublishPath& path, Sequence first, std::vector<std::string> players,
                                               const access::Rights& rights = access::Rights::everything()) {
    auto outcome =
        path.publish(rights, producer(), static_cast<std::uint32_t>(players.size()), [&](std::uint32_t index) {
          return runtime::PublicationView{players[index], "note", "{}", first + index};
        });
    actors_.run();
    return outcome;
  }
  kj::Promise<runtime::PublishOutcome> publish(PublishPath& path, Sequence sequence) {
    return publish(path, sequence, {player_of(0)});
  }
  // The partition's answer to the oldest of its calls: all of it is durable.
  void accept(std::uint16_t partition) {
    auto& calls = partitions_[partition].calls;
    ASSERT_FALSE(calls.empty());
    const auto request = calls.front().request;
    calls.erase(calls.begin());
    answer(partitions_[partition].sessions.at(request.session), request);
  }
  static void answer(const SessionOpened& session, const runtime::PublishRequest& request) {
    session.host->published({request.session,
                             request.call,
                             static_cast<std::uint32_t>(request.items.size()),
                             0,
                             {},
                             request.items.front().index});
  }
  // As a node tells its gateways.
  void reloaded(std::uint16_t partition, std::uint64_t life) {
    inbox_->push([this, partition, life] { edge_->reloaded({partition}, life); });
  }
  std::string outcome_of(kj::Promise<runtime::PublishOutcome>& promise) {
    return promise.poll(io_.waitScope) ? words(promise.wait(io_.waitScope)) : "nothing yet";
  }
  // What came to the partition since this was last asked.
  std::vector<Publish> calls_of(std::uint16_t partition) { return std::exchange(partitions_[partition].calls, {}); }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  kj::Promise<void> jobs_ = inbox_->run(*io_.lowLevelProvider).eagerlyEvaluate(nullptr);
  testing::SteppedActors actors_;
  std::array<PlayedPartition, kPartitions> partitions_;
  NodeEdge node_{{}, {}, nullptr};
  std::optional<Edge> edge_;
};

TEST_F(PublishPathTest, P1ACallIsAnsweredOnceAllPartitionsHaveSaidThatItIsDurable) {
  PublishPath path(*edge_);
  auto outcome = publish(path, 1, {player_of(1), player_of(0), player_of(1)});
  ASSERT_THAT(partitions_[0].calls, SizeIs(1));
  ASSERT_THAT(partitions_[1].calls, SizeIs(1));
  EXPECT_THAT(sequences_of(partitions_[0].calls[0].request), ElementsAre(2));
  EXPECT_THAT(sequences_of(partitions_[1].calls[0].request), ElementsAre(1, 3));
  accept(1);
  EXPECT_EQ(outcome_of(outcome), "nothing yet");
  accept(0);
  EXPECT_EQ(outcome_of(outcome), "3 accepted");
}

TEST_F(PublishPathTest, P3WhatFollowsALostCallIsRefusedUntilThatOneComesAgain) {
  PublishPath path(*edge_);
  auto first = publish(path, 1);
  EXPECT_THAT(calls_of(0), SizeIs(1));
  // When the partition is loaded anew, what it has not answered is refused.
  reloaded(0, 1);
  EXPECT_EQ(outcome_of(first), "0 accepted; 0: unavailable");
  // Then what follows is not even sent,
  auto second = publish(path, 2);
  EXPECT_EQ(outcome_of(second), "0 accepted; 0: overloaded");
  EXPECT_THAT(calls_of(0), IsEmpty());
  // before the first comes again, to the partition as it is now.
  auto again = publish(path, 1);
  auto second_again = publish(path, 2);
  const auto calls = calls_of(0);
  ASSERT_THAT(calls, SizeIs(2));
  EXPECT_THAT(sequences_of(calls[0].request), ElementsAre(1));
  EXPECT_THAT(sequences_of(calls[1].request), ElementsAre(2));
  EXPECT_EQ(calls[0].life, 1u);
}

TEST_F(PublishPathTest, P3ALostPartitionRefusesNothingOfAnother) {
  PublishPath path(*edge_);
  auto here = publish(path, 1, {player_of(0)});
  auto both = publish(path, 2, {player_of(1), player_of(0)});
  reloaded(1, 1);
  EXPECT_EQ(outcome_of(here), "nothing yet");
  EXPECT_EQ(outcome_of(both), "nothing yet");
  accept(0);
  accept(0);
  EXPECT_EQ(outcome_of(here), "1 accepted");
  EXPECT_EQ(outcome_of(both), "1 accepted; 0: unavailable");
}

TEST_F(PublishPathTest, P2AnAnswerThatComesAfterItsCallWasRefusedChangesNothing) {
  PublishPath path(*edge_);
  auto first = publish(path, 1);
  reloaded(0, 1);
  EXPECT_EQ(outcome_of(first), "0 accepted; 0: unavailable");
  auto again = publish(path, 1);
  accept(0);  // The first after all.
  EXPECT_EQ(outcome_of(again), "nothing yet");
  accept(0);
  EXPECT_EQ(outcome_of(again), "1 accepted");
}

TEST_F(PublishPathTest, AConnectionThatIsGoneGivesItsRoomBackAndItsAnswersAreNobodys) {
  std::optional<PublishPath> path(std::in_place, *edge_);
  auto outcome = publish(*path, 1);
  EXPECT_EQ(node_.events_under_way, 1u);
  EXPECT_GT(node_.bytes_under_way, 0u);
  const auto session = partitions_[0].sessions.begin()->second;
  const auto call = partitions_[0].calls.at(0).request;
  path.reset();
  actors_.run();
  EXPECT_EQ(node_.events_under_way, 0u);
  EXPECT_EQ(node_.bytes_under_way, 0u);
  // The partitions forget it,
  for (const auto& partition : partitions_) EXPECT_THAT(partition.sessions, IsEmpty());
  // and whatever one of them had to say yet finds nobody.
  answer(session, call);
  io_.waitScope.poll();
  EXPECT_THAT(edge_->publish_paths, IsEmpty());
}

TEST_F(PublishPathTest, ANodeThatStopsTakesNothingMoreAndAnswersWhatItHas) {
  PublishPath path(*edge_);
  auto first = publish(path, 1);
  edge_->stopping = true;
  auto second = publish(path, 2);
  EXPECT_EQ(outcome_of(second), "0 accepted; 0: unavailable");
  accept(0);
  EXPECT_EQ(outcome_of(first), "1 accepted");
}

TEST_F(PublishPathTest, P9WhatARightDoesNotAllowIsRefusedItemByItem) {
  PublishPath path(*edge_);
  const auto rights = [](const std::string& publishes, const std::string& name) {
    return access::Rights(access::Claims{.subject = "ana",
                                         .publish = {access::Pattern::parse(publishes, "ana").value()},
                                         .producers = {access::Pattern::exactly(name)}});
  };
  auto outcome = publish(path, 1, {player_of(0), player_of(1)}, rights(player_of(0), "p"));
  EXPECT_THAT(partitions_[1].calls, IsEmpty());
  accept(0);
  EXPECT_EQ(outcome_of(outcome), "1 accepted; 1: forbidden");
  // In the name of another nothing at all.
  outcome = publish(path, 3, {player_of(0)}, rights("player/*", "q"));
  EXPECT_EQ(outcome_of(outcome), "0 accepted; 0: forbidden");
  EXPECT_THAT(partitions_[0].calls, IsEmpty());
}

class FullPublishPath : public PublishPathTest {
 protected:
  static EdgeLimits few() {
    EdgeLimits limits;
    limits.connection_events_max = 2;
    limits.node_events_max = 3;
    return limits;
  }
  FullPublishPath() : PublishPathTest(few()) {}
};

TEST_F(FullPublishPath, P7NoMoreIsUnderWayOnAConnectionThanMayAndTheRestBeginsAgainInOrder) {
  PublishPath path(*edge_);
  auto first = publish(path, 1, {player_of(0), player_of(0), player_of(0)});
  ASSERT_THAT(partitions_[0].calls, SizeIs(1));
  EXPECT_THAT(sequences_of(partitions_[0].calls[0].request), ElementsAre(1, 2));
  auto fourth = publish(path, 4);
  EXPECT_EQ(outcome_of(fourth), "0 accepted; 0: overloaded");
  accept(0);
  EXPECT_EQ(outcome_of(first), "2 accepted; 2: overloaded");
  EXPECT_EQ(node_.events_under_way, 0u);
  // There is room now, for the third, and for the fourth behind it.
  fourth = publish(path, 4);
  EXPECT_EQ(outcome_of(fourth), "0 accepted; 0: overloaded");
  auto third = publish(path, 3);
  fourth = publish(path, 4);
  EXPECT_THAT(partitions_[0].calls, SizeIs(2));
}

TEST_F(FullPublishPath, P7NoMoreIsUnderWayOnTheNodeThanMay) {
  PublishPath one(*edge_), other(*edge_);
  auto first = publish(one, 1, {player_of(0), player_of(0)});
  auto second = publish(other, 1, {player_of(0), player_of(0)});
  EXPECT_EQ(node_.events_under_way, 4u) << "With the one that is refused, which is answered with its call.";
  auto third = publish(other, 3);
  EXPECT_EQ(outcome_of(third), "0 accepted; 0: overloaded");
  accept(0);
  accept(0);
  EXPECT_EQ(outcome_of(first), "2 accepted");
  EXPECT_EQ(outcome_of(second), "1 accepted; 1: overloaded");
  EXPECT_EQ(node_.events_under_way, 0u);
  EXPECT_EQ(node_.bytes_under_way, 0u);
}

TEST_F(PublishPathTest, P7WhatAConnectionLeavesBehindCountsUntilItIsAnsweredOrVoid) {
  auto answered = std::make_shared<PublishPath>(*edge_), lost = std::make_shared<PublishPath>(*edge_),
       idle = std::make_shared<PublishPath>(*edge_);
  // Given an event under way of each of two connections,
  auto first = publish(*answered, 1, {player_of(0)});
  auto second = publish(*lost, 1, {player_of(1)});
  // when all end,
  for (auto* path : {&answered, &lost, &idle}) edge_->leave_behind(std::move(*path));
  // then they count as long as partitions hold them, and no longer.
  EXPECT_EQ(node_.events_under_way, 2u);
  accept(0);
  EXPECT_EQ(outcome_of(first), "1 accepted");
  EXPECT_EQ(node_.events_under_way, 1u);
  reloaded(1, 1);
  EXPECT_EQ(outcome_of(second), "0 accepted; 0: unavailable");
  EXPECT_EQ(node_.events_under_way, 0u);
  EXPECT_EQ(node_.bytes_under_way, 0u);
  EXPECT_THAT(edge_->publish_paths, IsEmpty());
}

// --- With routes in between, to a primary on the node "bee".

class RoutedPublishPath : public PublishPathTest {
 protected:
  RoutedPublishPath() {
    auto standings = std::make_shared<std::vector<std::unique_ptr<Standing>>>();
    for (int p = 0; p < kPartitions; ++p) standings->push_back(std::make_unique<Standing>());
    auto routes = std::make_shared<std::vector<caf::actor>>();
    for (std::uint16_t p = 0; p < kPartitions; ++p)
      routes->push_back(actors_.system().spawn(
          route, RouteOptions{{p}, "ant", {}, standings, [this](PartitionId id, std::uint64_t life) {
                                reloaded(id.value, life);
                              }}));
    routes_ = routes;
    begin(routes_, {});
    bee_ = actors_.listener<SendParcel>([this](const SendParcel& message) {
      if (const auto* publish = std::get_if<PublishParcel>(&message.parcel.content)) heard_.push_back(*publish);
    });
    const cluster::PartitionRecord record{1, {"bee", "its disk"}, {{"bee", "its disk"}}, {"bee"}};
    tell_all(Peers{routes_});
    tell_all(PeerKnown{"bee", bee_});
    tell_all(RecordChanged{record, 1});
    connect(1);
  }
  ~RoutedPublishPath() noexcept override {
    tell_all(Stop{});
    actors_.end(bee_);
  }

  template <class Message>
  void tell_all(const Message& message) {
    for (const auto& one : *routes_) actors_.tell(one, message);
  }
  void connect(std::uint64_t meeting) {
    tell_all(LinkUp{"bee", meeting});
    for (std::uint16_t p = 0; p < kPartitions; ++p)
      actors_.tell((*routes_)[p], ParcelArrived{"bee", {{p}, PrimaryHereParcel{}}});
  }
  // What bee was sent since this was last asked: sequence and way.
  std::vector<std::pair<Sequence, std::uint64_t>> heard() {
    std::vector<std::pair<Sequence, std::uint64_t>> all;
    for (const auto& publish : std::exchange(heard_, {}))
      for (const auto sequence : sequences_of(publish.request)) all.emplace_back(sequence, publish.way);
    return all;
  }

  Partitions routes_;
  caf::actor bee_;
  std::vector<PublishParcel> heard_;
};

TEST_F(RoutedPublishPath, P3NothingOvertakesACallThatThePrimaryRefused) {
  using ::testing::Pair;
  PublishPath path(*edge_);
  auto first = publish(path, 1);
  EXPECT_THAT(heard(), ElementsAre(Pair(1, 1)));
  // When bee refuses the first, and the connection sends the second before it hears so,
  actors_.tell((*routes_)[0], ParcelArrived{"bee", {{0}, PublishRefusedParcel{1}}});
  auto second = publish(path, 2);
  // then that does not reach bee, and both are refused.
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_EQ(outcome_of(first), "0 accepted; 0: unavailable");
  EXPECT_EQ(outcome_of(second), "0 accepted; 0: unavailable");
  auto early = publish(path, 2);
  EXPECT_EQ(outcome_of(early), "0 accepted; 0: overloaded");
  // They come in order, on another way.
  first = publish(path, 1);
  second = publish(path, 2);
  EXPECT_THAT(heard(), ElementsAre(Pair(1, 2), Pair(2, 2)));
}

TEST_F(RoutedPublishPath, P3NothingOvertakesACallThatWasLostWithItsLink) {
  using ::testing::Pair;
  PublishPath path(*edge_);
  auto first = publish(path, 1);
  heard();
  tell_all(LinkLost{"bee", actors_.now()});
  connect(2);
  auto second = publish(path, 2);
  EXPECT_THAT(heard(), IsEmpty());
  EXPECT_EQ(outcome_of(first), "0 accepted; 0: unavailable");
  EXPECT_EQ(outcome_of(second), "0 accepted; 0: unavailable");
  first = publish(path, 1);
  second = publish(path, 2);
  EXPECT_THAT(heard(), ElementsAre(Pair(1, 2), Pair(2, 2)));
}

}  // namespace
}  // namespace carillon::actors
