// One side of a link, whose other side a test plays: what it holds for a peer that is slow, dead or says nonsense is bounded
// (P7), and where two cannot reach each other a third one stands in between.
#include "actors/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <caf/io/all.hpp>

#include <algorithm>
#include <map>

#include "actors/system_config.h"
#include "tests/support/eventually.h"

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;
using testing::eventually;

constexpr std::uint16_t kPartitions = 2;
constexpr std::size_t kKiB = 1'024;

cluster::Identity identity(const NodeName& node) { return {"c1", node, "what all nodes know"}; }

// The peer "ant", which dials, as the test lets it behave. Whoever owns one is its only thread.
class PlayedPeer {
 public:
  explicit PlayedPeer(caf::actor_system& system) : self_(system) {}

  // Meets the link "bee"; false when that does not come about.
  bool meet(const caf::actor& link) {
    auto handshake = cluster::Handshake::dialer(identity("ant"), "bee");
    caf::anon_send(link, KnockArrived{caf::actor_cast<caf::strong_actor_ptr>(self_), handshake.hello(), {}});
    bool met = false, failed = false;
    while (!met && !failed)
      self_->receive(
          [&](knock_atom, const std::string& bytes) {
            const auto step = handshake.heard(bytes);
            failed = !step.ok();
            if (failed) return;
            if (!step->reply.empty()) self_->send(link, knock_atom::value, step->reply);
            met = step->met;
          },
          caf::after(5s) >> [&] { failed = true; });
    meeting_ = handshake.meeting();
    frames_ = 0;
    arrived_bytes = 0;
    parcels.clear();
    return met;
  }

  // Says something, or that it lives. It acknowledges what it was sent if `takes`.
  void say(const caf::actor& link, const std::vector<Parcel>& what, bool takes) {
    self_->send(link, frame_atom::value, encode_frame(meeting_, ++frames_, takes ? arrived_bytes : 0, what));
  }
  void say_raw(const caf::actor& link, const std::string& bytes) { self_->send(link, frame_atom::value, bytes); }

  // Takes whatever comes within `time`.
  void listen(std::chrono::milliseconds time) {
    for (const auto until = Clock::now() + time; Clock::now() < until;)
      self_->receive(
          [&](frame_atom, const std::string& bytes) {
            const auto frame = decode_frame(bytes);
            ASSERT_TRUE(frame.ok());
            if (frame->meeting != meeting_) return;  // Of an earlier one.
            arrived_bytes += bytes.size();
            for (const auto& parcel : frame->parcels) parcels.push_back(parcel);
          },
          [](knock_atom, const std::string&) {}, caf::after(time) >> [] {});
  }

  // Of this meeting.
  std::uint64_t arrived_bytes = 0;
  std::vector<Parcel> parcels;

 private:
  caf::scoped_actor self_;
  std::string meeting_;
  std::uint64_t frames_ = 0;
};

// Counts what a route or a replica is told.
struct Told {
  std::atomic<int> up{0}, lost{0}, replication{0}, parcels{0};
};

caf::behavior listener(caf::event_based_actor*, std::shared_ptr<Told> told) {
  return {
      [=](const LinkUp&) { ++told->up; },
      [=](const LinkLost&) { ++told->lost; },
      [=](const ReplicationArrived&) { ++told->replication; },
      [=](const ParcelArrived&) { ++told->parcels; },
  };
}

// The next message, if it is of this type.
template <class T>
std::optional<T> next(caf::scoped_actor& self) {
  std::optional<T> heard;
  self->receive([&](const T& message) { heard = message; }, caf::after(5s) >> [] {});
  return heard;
}

class LinkTest : public ::testing::Test {
 protected:
  caf::actor link_to_ant(LinkSettings settings) { return link_of("bee", "ant", settings); }
  // This node is the primary of partition 1, and sure of it.
  void serves(const caf::scoped_actor& partition) {
    (*standings_)[1]->read_lease_until = (Clock::now() + 60s).time_since_epoch().count();
    caf::anon_send(link_, Serving{.partition = {1}, .actor = caf::actor_cast<caf::actor>(partition), .life = 1});
  }
  caf::actor link_of(const NodeName& self, const NodeName& peer, LinkSettings settings,
                     std::function<void(caf::actor_system&, DialOptions)> dial = dial_aside) {
    auto routes = std::make_shared<std::vector<caf::actor>>(), replicas = std::make_shared<std::vector<caf::actor>>();
    auto standings = std::make_shared<std::vector<std::unique_ptr<Standing>>>();
    standings_ = standings;
    for (std::uint16_t p = 0; p < kPartitions; ++p) {
      routes->push_back(system_.spawn(listener, told_));
      replicas->push_back(system_.spawn(listener, told_));
      standings->push_back(std::make_unique<Standing>());
    }
    return link_ = system_.spawn(link, LinkOptions{.self = identity(self),
                                                   .peer = peer,
                                                   .address = "127.0.0.1:1",
                                                   .settings = settings,
                                                   .routes = routes,
                                                   .replicas = replicas,
                                                   .standings = standings,
                                                   .meetings = std::make_shared<std::atomic<std::uint64_t>>(0),
                                                   .changed = [](bool) {},
                                                   .dial = std::move(dial)});
  }
  ~LinkTest() override {
    if (link_) caf::anon_send(link_, Stop{});
  }

  LinkStats stats() {
    std::promise<LinkStats> answer;
    caf::anon_send(link_, AskLink{[&](LinkStats stats) { answer.set_value(std::move(stats)); }});
    return answer.get_future().get();
  }
  // A message of a replica of `bytes`.
  void replicate(std::size_t bytes) {
    caf::anon_send(link_, SendParcel{{{0}, ReplicationParcel{std::string(bytes, 'x')}}});
  }

  SystemConfig config_{2};
  caf::actor_system system_{config_};
  std::shared_ptr<Told> told_ = std::make_shared<Told>();
  Standings standings_;  // Of the link.
  caf::actor link_;
};

LinkSettings small() {
  LinkSettings settings;
  settings.silence_max = 60s;
  settings.credit_bytes = 64 * kKiB;
  settings.frame_bytes = 16 * kKiB;
  settings.deliveries_bytes_max = 64 * kKiB;
  settings.queue_bytes_max = 256 * kKiB;
  return settings;
}

TEST_F(LinkTest, P7APeerThatTakesNothingInIsSentNoMoreThanItsCreditAndThenWaits) {
  PlayedPeer ant(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  // Given a peer that says that it lives, and takes nothing in,
  for (int i = 0; i < 200; ++i) replicate(kKiB);
  ASSERT_TRUE(eventually(5s, [&] { return stats().queued_bytes > 0; }));
  ant.listen(200ms);
  // then what is on its way is the credit and at most one frame,
  const auto settings = small();
  const auto slack = 4 * kKiB;  // Signs of life.
  EXPECT_GE(ant.arrived_bytes, settings.credit_bytes);
  EXPECT_LE(ant.arrived_bytes, settings.credit_bytes + settings.frame_bytes + slack);
  EXPECT_GT(stats().queued_bytes, 100 * kKiB);
  // and all of it comes once it takes something.
  ASSERT_TRUE(eventually(5s, [&] {
    ant.say(link_, {}, true);
    ant.listen(10ms);
    return ant.parcels.size() == 200;
  }));
  EXPECT_EQ(stats().queued_bytes, 0u);
}

TEST_F(LinkTest, P7APeerForWhomTooMuchWaitsIsCutAndNothingIsKeptForIt) {
  PlayedPeer ant(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  for (int i = 0; i < 1'000; ++i) replicate(kKiB);
  ASSERT_TRUE(eventually(5s, [&] { return told_->lost == 2 * kPartitions; }));
  EXPECT_FALSE(stats().up);
  EXPECT_EQ(stats().queued_bytes, 0u);
  // Nor for one that is away.
  for (int i = 0; i < 1'000; ++i) replicate(kKiB);
  EXPECT_EQ(stats().queued_bytes, 0u);
  // It may come back, and begins with nothing.
  ASSERT_TRUE(ant.meet(link_));
  ant.listen(100ms);
  EXPECT_TRUE(ant.parcels.empty());
}

TEST_F(LinkTest, P7OneEntryThatIsLargerThanWhatMayWaitIsBroughtOver) {
  PlayedPeer ant(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  replicate(2 * small().queue_bytes_max);
  EXPECT_TRUE(eventually(5s, [&] {
    ant.say(link_, {}, true);
    ant.listen(10ms);
    return ant.parcels.size() == 1;
  }));
  EXPECT_EQ(told_->lost, 0);
}

TEST_F(LinkTest, P7DeliveriesForWhichThereIsNoRoomAreReplacedByTheNewsThatThereIsSomethingToRead) {
  PlayedPeer ant(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  constexpr Offset kLast = 7;
  const auto delivery = [](Offset first, std::size_t bytes) {
    Event event{"note", std::string(bytes, 'x'), ProducerId::client("p").value(), 1, 0, 0};
    return DeliveriesParcel{3, {{4, runtime::slice_of(EventRun{first, {event}})}}};
  };
  // Given that the room for deliveries is taken,
  for (int i = 0; i < 150; ++i) replicate(kKiB);
  ASSERT_TRUE(eventually(5s, [&] { return stats().queued_bytes > small().deliveries_bytes_max; }));
  const auto before = stats().queued_bytes;
  // when a large one comes,
  caf::anon_send(link_, SendParcel{{{1}, delivery(kLast, 100 * kKiB)}});
  // then it costs hardly anything,
  EXPECT_LT(stats().queued_bytes, before + kKiB);
  // and the other side hears up to where it may read.
  ASSERT_TRUE(eventually(5s, [&] {
    ant.say(link_, {}, true);
    ant.listen(10ms);
    return ant.parcels.size() == 151;
  }));
  const auto* news = std::get_if<FollowingParcel>(&ant.parcels.back().content);
  ASSERT_NE(news, nullptr);
  EXPECT_EQ(news->session, 3u);
  EXPECT_EQ(news->answer.follow, 4u);
  ASSERT_TRUE(news->answer.extent.ok());
  EXPECT_EQ(news->answer.extent->last, kLast);
}

TEST_F(LinkTest, P7NewsThatWaitsIsOneForEachFollowHoweverMuchIsCommitted) {
  PlayedPeer ant(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  const auto commit = [&](runtime::SessionId session, Offset offset) {
    Event event{"note", "{}", ProducerId::client("p").value(), 1, 0, 0};
    caf::anon_send(link_, SendParcel{{{1}, DeliveriesParcel{session, {{4, runtime::slice_of({offset, {event}})}}}}});
  };
  const auto hears = [&](runtime::SessionId session, Offset last) {
    return std::ranges::any_of(ant.parcels, [&](const Parcel& parcel) {
      const auto* news = std::get_if<FollowingParcel>(&parcel.content);
      return news != nullptr && news->session == session && news->answer.extent.ok() &&
             news->answer.extent->last == last;
    });
  };
  for (int rounds = 1; rounds <= 2; ++rounds) {
    // Given that the room for deliveries is taken,
    for (int i = 0; i < 150; ++i) replicate(kKiB);
    ASSERT_TRUE(eventually(5s, [&] { return stats().queued_bytes > small().deliveries_bytes_max; }));
    const auto before = stats().queued_bytes;
    // when much is committed that two sessions follow,
    for (Offset offset = 1; offset <= 5'000; ++offset)
      for (const runtime::SessionId session : {3, 5}) commit(session, rounds * 10'000 + offset);
    // then it costs hardly anything,
    EXPECT_LT(stats().queued_bytes, before + kKiB);
    // and both hear of the last of it.
    EXPECT_TRUE(eventually(5s, [&] {
      ant.say(link_, {}, true);
      ant.listen(10ms);
      return hears(3, rounds * 10'000 + 5'000) && hears(5, rounds * 10'000 + 5'000);
    }));
    ASSERT_TRUE(eventually(5s, [&] {
      ant.say(link_, {}, true);
      ant.listen(10ms);
      return stats().queued_bytes == 0;
    }));
  }
  EXPECT_EQ(told_->lost, 0);
}

TEST_F(LinkTest, P4WhoUsesAPrimaryThatIsNotSureForLongIsTold) {
  // Given a partition that is served here, and a peer that publishes to it.
  caf::scoped_actor partition(system_);
  PlayedPeer ant(system_);
  auto settings = small();
  settings.unsure_max = 50ms;
  link_to_ant(settings);
  (*standings_)[1]->may_publish = true;
  serves(partition);
  ASSERT_TRUE(ant.meet(link_));
  const auto publish = [&](std::uint64_t way) {
    const Event event{"note", "{}", ProducerId::client("p").value(), 1, 0, 0};
    ant.say(link_, {{{1}, PublishParcel{{5, way, {{0, EntityId::trusted("player/ada"), event}}}, way}}}, true);
  };
  const auto heard = [&](auto is_it) {
    return eventually(5s, [&] {
      ant.listen(10ms);
      return std::ranges::any_of(ant.parcels, is_it);
    });
  };
  publish(1);
  ASSERT_TRUE(next<SessionOpened>(partition));
  ASSERT_TRUE(next<Publish>(partition));
  // When it has lost touch with the others of its in-sync set for a while, then the peer hears that nothing will come of it,
  (*standings_)[1]->read_lease_until = 0;
  EXPECT_TRUE(heard([](const Parcel& parcel) { return std::holds_alternative<ReloadedParcel>(parcel.content); }));
  // nor of what it sends now,
  publish(2);
  EXPECT_TRUE(heard([](const Parcel& parcel) {
    const auto* refused = std::get_if<PublishRefusedParcel>(&parcel.content);
    return refused != nullptr && refused->way == 2;
  }));
  // until that is over.
  (*standings_)[1]->read_lease_until = (Clock::now() + 60s).time_since_epoch().count();
  std::uint64_t way = 2;
  bool taken = false;
  EXPECT_TRUE(eventually(5s, [&] {
    publish(++way);
    partition->receive([&](const Publish& message) { taken = message.request.call == way; }, caf::after(20ms) >> [] {});
    return taken;
  }));
}

TEST_F(LinkTest, P9AnAnswerIsOfTheMeetingInWhichItWasAskedFor) {
  // Given a question that takes its time,
  caf::scoped_actor partition(system_);
  PlayedPeer ant(system_);
  link_to_ant(small());
  serves(partition);
  ASSERT_TRUE(ant.meet(link_));
  const auto ask = [&](std::uint64_t number) {
    ant.say(link_, {{{1}, QuestionParcel{number, QuestionParcel::Inspect{EntityId::trusted("player/ada")}}}}, true);
    return next<InspectEntity>(partition);
  };
  const auto early = ask(1);
  ASSERT_TRUE(early);
  // and a peer that has restarted, and asks others.
  ASSERT_TRUE(ant.meet(link_));
  const auto late = ask(2);
  ASSERT_TRUE(late);
  // When both are answered, then the peer gets the answer to its own.
  early->answer(runtime::Partition::Inspection{{1, 111}, 0, 0});
  late->answer(runtime::Partition::Inspection{{1, 222}, 0, 0});
  std::vector<std::uint64_t> answered;
  EXPECT_TRUE(eventually(5s, [&] {
    ant.listen(10ms);
    answered.clear();
    for (const auto& parcel : ant.parcels)
      if (const auto* answer = std::get_if<AnswerParcel>(&parcel.content)) answered.push_back(answer->number);
    return !answered.empty();
  }));
  EXPECT_EQ(answered, std::vector<std::uint64_t>{2});
}

TEST_F(LinkTest, APeerThatIsSilentOrDoesNotHearIsGivenUp) {
  auto settings = small();
  settings.silence_max = 300ms;
  PlayedPeer ant(system_);
  link_to_ant(settings);
  // One that says nothing,
  ASSERT_TRUE(ant.meet(link_));
  EXPECT_TRUE(eventually(5s, [&] { return told_->lost == 2 * kPartitions; }));
  // and one that speaks and takes nothing in, as over a cable of which one direction is cut.
  ASSERT_TRUE(ant.meet(link_));
  EXPECT_TRUE(eventually(5s, [&] {
    ant.say(link_, {}, false);
    ant.listen(20ms);
    return told_->lost == 4 * kPartitions;
  }));
  // One that does both is not.
  ASSERT_TRUE(ant.meet(link_));
  const auto until = Clock::now() + 3 * settings.silence_max;
  while (Clock::now() < until) {
    ant.listen(20ms);
    ant.say(link_, {}, true);
  }
  EXPECT_EQ(told_->lost, 4 * kPartitions);
}

TEST_F(LinkTest, ADialThatTakesLongerThanThePauseBetweenTwoIsWaitedFor) {
  // Given a peer that is far away,
  auto settings = small();
  settings.redial_every = 20ms;
  const auto attempt = std::make_shared<std::atomic<std::uint64_t>>(0);
  link_of("ant", "bee", settings,
          [attempt](caf::actor_system&, const DialOptions& order) { *attempt = order.attempt; });
  ASSERT_TRUE(eventually(5s, [&] { return *attempt == 1; }));
  // when many of those pauses are over,
  caf::scoped_actor bee(system_);
  bee->receive(caf::after(10 * settings.redial_every) >> [] {});
  // then it is not dialled anew,
  EXPECT_EQ(*attempt, 1u);
  // and spoken to once it answers.
  caf::anon_send(link_, Dialled{1, caf::actor_cast<caf::strong_actor_ptr>(bee), nullptr});
  bool spoken_to = false;
  bee->receive([&](knock_atom, const std::string&) { spoken_to = true; }, caf::after(5s) >> [] {});
  EXPECT_TRUE(spoken_to);
}

TEST_F(LinkTest, P9FramesOfNobodyAndNonsenseOfThePeerAreNotTaken) {
  PlayedPeer ant(system_), stranger(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  const std::vector<Parcel> parcels{{{0}, ReplicationParcel{"bytes"}}};
  ant.say(link_, parcels, true);
  ASSERT_TRUE(eventually(5s, [&] { return told_->replication == 1; }));
  // A frame of somebody else changes nothing.
  stranger.say(link_, parcels, true);
  EXPECT_TRUE(stats().up);
  // Of a partition that does not exist nothing is taken, but the peer stays.
  ant.say(link_, {{{kPartitions}, ReplicationParcel{"bytes"}}}, true);
  EXPECT_TRUE(stats().up);
  // Nor from one, and nothing said to be acknowledged by one.
  caf::scoped_actor partition{system_};
  serves(partition);
  const auto hub = EntityId::trusted("counter/a");
  const auto emissions = [&](PartitionId from) {
    Event event{"note", "{}", ProducerId::hub(hub), 1, 0, 0};
    return Parcel{{1}, EmissionsParcel{from, {{hub, 1, {{EntityId::trusted("player/ada"), event, std::nullopt}}}}}};
  };
  ant.say(link_, {emissions({kPartitions}), {{1}, EmissionsAcceptedParcel{{kPartitions}, {{hub, 1}}}}, emissions({0})},
          true);
  const auto arrived = next<EmissionsArrived>(partition);
  ASSERT_TRUE(arrived);
  EXPECT_EQ(arrived->from, PartitionId{0});
  // What does not decode ends the meeting.
  ant.say_raw(link_, std::string(4'096, '\xff'));
  EXPECT_TRUE(eventually(5s, [&] { return told_->lost == 2 * kPartitions; }));
  EXPECT_EQ(told_->replication, 1);
  // So does an acknowledgement of what was never sent: it would be credit without end.
  ASSERT_TRUE(ant.meet(link_));
  ant.arrived_bytes = 1u << 30;
  ant.say(link_, {}, true);
  EXPECT_TRUE(eventually(5s, [&] { return told_->lost == 4 * kPartitions; }));
}

TEST_F(LinkTest, P8APeerIsToldOfWhatIsServedHereAndInWhichEpoch) {
  // Given a partition that is served in epoch 7,
  caf::scoped_actor partition(system_);
  const auto actor = caf::actor_cast<caf::actor>(partition);
  PlayedPeer ant(system_);
  link_to_ant(small());
  caf::anon_send(link_, Serving{.partition = {1}, .actor = actor, .life = 1, .epoch = 7});
  // a peer that is met hears of that, and of another from when it is served.
  ASSERT_TRUE(ant.meet(link_));
  caf::anon_send(link_, Serving{.partition = {0}, .actor = actor, .life = 1, .epoch = 9});
  const auto told = [&] {
    std::map<std::uint16_t, std::uint64_t> epochs;
    for (const auto& parcel : ant.parcels)
      if (const auto* here = std::get_if<PrimaryHereParcel>(&parcel.content))
        epochs[parcel.partition.value] = here->epoch;
    return epochs;
  };
  ASSERT_TRUE(eventually(5s, [&] {
    ant.listen(20ms);
    return told().size() == 2;
  }));
  EXPECT_EQ(told(), (std::map<std::uint16_t, std::uint64_t>{{0, 9}, {1, 7}}));
}

TEST_F(LinkTest, WhatAPeersSessionNoLongerFollowsIsTakenFromThePartitionAndSoIsTheSessionAtItsEnd) {
  // Given a partition that is served here,
  caf::scoped_actor partition(system_);
  PlayedPeer ant(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  serves(partition);
  // and a session of the peer that follows two of its entities.
  const auto ada = EntityId::parse("player/ada").value(), bo = EntityId::parse("player/bo").value();
  constexpr runtime::SessionId kThere = 5;
  ant.say(link_, {{{1}, FollowParcel{{kThere, 1}, ada}}, {{1}, FollowParcel{{kThere, 2}, bo}}}, true);
  const auto opened = next<SessionOpened>(partition);
  const auto follows_ada = next<FollowEntity>(partition), follows_bo = next<FollowEntity>(partition);
  ASSERT_TRUE(opened && follows_ada && follows_bo);
  EXPECT_EQ(follows_ada->follower.session, opened->session);
  // When it unfollows one of them,
  ant.say(link_, {{{1}, UnfollowParcel{{kThere, 1}, ada}}}, true);
  // then the partition is told of just that, by the number that it knows the session by,
  const auto unfollows = next<UnfollowEntity>(partition);
  ASSERT_TRUE(unfollows);
  EXPECT_EQ(unfollows->follower.session, opened->session);
  EXPECT_EQ(unfollows->follower.follow, 1u);
  EXPECT_EQ(unfollows->entity, ada);
  // and what a session unfollows that is not known here is nobody's.
  ant.say(link_, {{{1}, UnfollowParcel{{kThere + 1, 1}, ada}}}, true);
  // When the session is gone, then the partition is told.
  ant.say(link_, {{{1}, SessionClosedParcel{kThere}}}, true);
  const auto closed = next<SessionClosed>(partition);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->session, opened->session);
  partition->receive(
      [](const UnfollowEntity&) { ADD_FAILURE() << "the partition hears of a session that it does not know"; },
      caf::after(0s) >> [] {});
}

TEST_F(LinkTest, P4WhatStandsInAFrameBehindTheEndOfItsMeetingIsNotTaken) {
  // Given a partition that is served here, and a peer that takes nothing in.
  caf::scoped_actor partition(system_);
  PlayedPeer ant(system_);
  link_to_ant(small());
  ASSERT_TRUE(ant.meet(link_));
  serves(partition);
  // When it asks for so much in one frame that the link is cut before the last of it, a follow,
  const auto ada = EntityId::parse("player/ada").value();
  std::vector<Parcel> parcels;
  for (std::uint64_t number = 1; number <= small().queue_bytes_max / 100; ++number)
    parcels.push_back({{0}, QuestionParcel{number, QuestionParcel::Inspect{ada}}});
  parcels.push_back({{1}, FollowParcel{{5, 1}, ada}});
  ant.say(link_, parcels, false);
  ASSERT_TRUE(eventually(5s, [&] { return told_->lost == 2 * kPartitions; }));
  // and follows again when they have met anew,
  ASSERT_TRUE(ant.meet(link_));
  ant.say(link_, {{{1}, FollowParcel{{5, 2}, ada}}}, true);
  // then the partition knows the session before it hears what it follows.
  std::set<runtime::SessionId> known;
  bool follows = false, waits = true;
  while (waits && !follows)
    partition->receive([&](const SessionOpened& opened) { known.insert(opened.session); },
                       [&](const FollowEntity& request) {
                         follows = request.follower.follow == 2;
                         EXPECT_TRUE(!follows || known.contains(request.follower.session));
                       },
                       caf::after(5s) >> [&] { waits = false; });
  EXPECT_TRUE(follows);
}

}  // namespace
}  // namespace carillon::actors
