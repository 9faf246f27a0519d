// A route, whose partition, links, sessions and clock a test plays: everything asked of a partition reaches whoever is its
// primary, in order, through every change of primary; what waits meanwhile is bounded in number and time.
#include "actors/route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/pulse.h"
#include "tests/support/stepped_actors.h"

namespace carillon::actors {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using Log = std::vector<std::string>;

constexpr PartitionId kPartition{0};
constexpr runtime::SessionId kSession = 7;

EntityId ada() { return EntityId::parse("player/ada").value(); }

// --- What each of the others was told, in a few words.

std::string words(const runtime::PublishRequest& request) { return "publish " + std::to_string(request.call); }
std::string words(const Publish& message) {
  return words(message.request) + " in life " + std::to_string(message.life);
}
std::string words(const EmissionsArrived&) { return "emissions"; }
std::string words(const FollowEntity& message) { return "follow " + std::to_string(message.follower.follow); }
std::string words(const UnfollowEntity& message) { return "unfollow " + std::to_string(message.follower.follow); }
std::string words(const ReadPage& message) { return "read from " + std::to_string(message.from); }
std::string words(const StartOperation& message) { return "operate at " + std::to_string(message.offset); }
std::string words(const SessionOpened& message) { return "session " + std::to_string(message.session) + " opens"; }
std::string words(const SessionClosed& message) { return "session " + std::to_string(message.session) + " closes"; }
std::string words(const RestartHubs&) { return "restart hubs"; }
std::string words(const Following& message) {
  return "follow " + std::to_string(message.follow) + ": " +
         (message.extent ? "to " + std::to_string(message.extent->last)
                         : std::string(name_of(message.extent.error().code)));
}

std::string words(const PublishParcel& parcel) {
  return words(parcel.request) + " on way " + std::to_string(parcel.way);
}
std::string words(const EmissionsParcel&) { return "emissions"; }
std::string words(const FollowParcel& parcel) { return "follow " + std::to_string(parcel.follower.follow); }
std::string words(const UnfollowParcel& parcel) { return "unfollow " + std::to_string(parcel.follower.follow); }
std::string words(const SessionClosedParcel& parcel) { return "session " + std::to_string(parcel.session) + " closes"; }
std::string words(const QuestionParcel& parcel) {
  auto number = "question " + std::to_string(parcel.number);
  if (const auto* page = std::get_if<QuestionParcel::ReadPage>(&parcel.what))
    return number + ": read from " + std::to_string(page->from);
  if (const auto* operate = std::get_if<QuestionParcel::Operate>(&parcel.what))
    return number + ": operate at " + std::to_string(operate->offset);
  return number;
}
template <class Other>
std::string words(const Other&) {
  return "something else";
}
std::string words(const SendParcel& message) {
  return std::visit([](const auto& content) { return words(content); }, message.parcel.content) +
         (message.meeting == 0 ? "" : " in meeting " + std::to_string(message.meeting));
}

auto noting(Log& log) {
  return [&log](const auto& message) { log.push_back(words(message)); };
}

// The gateway's side, of one session.
class NotedSession final : public SessionHost {
 public:
  NotedSession(Log& heard, Log& answered) : heard_(heard), answered_(answered) {}
  void published(runtime::Published answer) override { answered_.push_back("publish " + std::to_string(answer.call)); }
  void following(runtime::SessionId session, Following answer) override {
    EXPECT_EQ(session, kSession);
    heard_.push_back(words(answer));
  }
  void committed(std::vector<News> news, Clock::time_point) override {
    EXPECT_THAT(news, SizeIs(1));
    EXPECT_EQ(news.front().session, kSession);
    heard_.push_back("notifications of follow " + std::to_string(news.front().deliveries.front().follow));
  }
  void reloaded(runtime::SessionId session, PartitionId partition) override {
    EXPECT_EQ(session, kSession);
    EXPECT_EQ(partition, kPartition);
    heard_.push_back("follow again");
  }

 private:
  Log &heard_, &answered_;
};

class RouteTest : public ::testing::Test {
 protected:
  RouteTest() {
    auto standings = std::make_shared<std::vector<std::unique_ptr<Standing>>>();
    standings->push_back(std::make_unique<Standing>());
    standing_ = standings->front().get();
    sure(true);
    standing_->may_publish = true;
    route_ = actors_.system().spawn(route, RouteOptions{kPartition,
                                                        "ant",
                                                        {1s, kWaitingMax, kEmissionBytesMax},
                                                        standings,
                                                        [this](PartitionId, std::uint64_t life) {
                                                          life_ = life;
                                                          ++refused_;
                                                        }});
    pulse_ = actors_.system().spawn(pulse,
                                    PulseOptions{50ms, std::make_shared<std::vector<caf::actor>>(std::vector{route_})});
    neighbour_ = actors_.listener<RestartHubs>(noting(neighbour_heard_));
    tell(Peers{std::make_shared<std::vector<caf::actor>>(std::vector{route_, neighbour_})});
    tell(SessionOpened{kSession, host_});
  }
  ~RouteTest() override {
    tell(Stop{});
    for (const auto& actor : {pulse_, neighbour_, here_}) actors_.end(actor);
    for (const auto& [node, link] : links_) actors_.end(link);
  }

  // --- Time.
  void pass(std::chrono::milliseconds time) { actors_.pass(time); }
  // So that all that is due now and then is done.
  void pass_slowly(std::chrono::milliseconds time) {
    for (auto passed = 0ms; passed < time; passed += 10ms) pass(10ms);
  }
  Clock::time_point now() { return actors_.now(); }

  // Everything that follows from it is done when this returns.
  template <class Message>
  void tell(Message message) {
    actors_.tell(route_, std::move(message));
  }

  // --- The cluster around it.
  void meet(const NodeName& node, std::uint64_t meeting = 1) {
    auto& link = links_[node];
    if (!link) {
      link = actors_.listener<SendParcel>(noting(link_heard_[node]));
      tell(PeerKnown{node, link});
    }
    tell(LinkUp{node, meeting});
  }
  void lose(const NodeName& node) { tell(LinkLost{node, now()}); }
  template <class Content>
  void says(const NodeName& node, Content content) {
    tell(ParcelArrived{node, {kPartition, std::move(content)}});
  }
  void is_primary(const NodeName& node) {
    tell(RecordChanged{cluster::PartitionRecord{++epoch_, {node, "its disk"}, {{node, "its disk"}}, {node}}, epoch_});
  }
  // "bee" is another node that serves the partition.
  void given_a_remote_primary() {
    meet("bee");
    is_primary("bee");
    says("bee", PrimaryHereParcel{});
  }

  // --- This node's own partition.
  void serve_here(std::uint64_t life = 1) {
    if (!here_)
      here_ = actors_.listener<Publish, EmissionsArrived, FollowEntity, UnfollowEntity, ReadPage, StartOperation,
                               SessionOpened, SessionClosed, RestartHubs>(noting(here_heard_));
    tell(Serving{kPartition, here_, life, epoch_});
  }
  void serve_no_more() { tell(Serving{kPartition, nullptr, 0, epoch_}); }
  // Whether this node's primary may answer what is read.
  void sure(bool sure) {
    standing_->read_lease_until = (sure ? Clock::time_point::max() : Clock::time_point()).time_since_epoch().count();
  }

  // --- What is asked of it.
  static Publish publishing(std::uint64_t call, std::uint64_t life, runtime::SessionId session = kSession) {
    Event event{"note", "{}", ProducerId::client("p").value(), call, 0, 0};
    return {{session, call, {{0, ada(), std::move(event)}}}, life};
  }
  // As a gateway does that has heard of all that was refused.
  void publish(std::uint64_t call) { tell(publishing(call, life_)); }
  void emit() { tell(EmissionsArrived{{1}, {}}); }
  static FollowEntity following(std::uint32_t number, runtime::SessionId session = kSession) {
    return {{session, number}, ada()};
  }
  void follow(std::uint32_t number) { tell(following(number)); }
  void unfollow(std::uint32_t number) { tell(UnfollowEntity{{kSession, number}, ada()}); }
  void read(Offset from) {
    tell(ReadPage{ada(), from, {}, [this, from](const Result<EventRun>& run) { note("read", from, run); }});
  }
  void operate(Offset at) {
    tell(StartOperation{ada(), at, true, [this, at](const Result<Offset>& done) { note("operate", at, done); }});
  }
  void ask_everything() {
    publish(1);
    follow(1);
    read(5);
    unfollow(1);
    emit();
    operate(6);
  }
  PartitionStats stats() {
    PartitionStats stats;
    tell(AskStats{[&](const PartitionStats& answer) { stats = answer; }});
    return stats;
  }

  // --- What was heard since this was last asked.
  Log link(const NodeName& node) { return std::exchange(link_heard_[node], {}); }
  Log here() { return std::exchange(here_heard_, {}); }
  Log session() { return std::exchange(session_heard_, {}); }
  Log neighbour() { return std::exchange(neighbour_heard_, {}); }
  Log answered() { return std::exchange(answered_, {}); }
  // How often the gateway was told that all its unanswered calls are refused.
  int refused() { return std::exchange(refused_, 0); }

  static constexpr std::size_t kWaitingMax = 8;
  static inline const std::size_t kEmissionBytesMax = 4 * bytes_of(EmissionsArrived{}.emissions);

 private:
  template <class T>
  void note(const std::string& what, Offset which, const Result<T>& answer) {
    answered_.push_back(what + " " + std::to_string(which) + ": " +
                        (answer ? std::string("done") : std::string(name_of(answer.error().code))));
  }

  testing::SteppedActors actors_;
  std::uint64_t epoch_ = 0;
  int refused_ = 0;
  Log here_heard_, session_heard_, neighbour_heard_, answered_;
  std::map<NodeName, Log> link_heard_;
  std::map<NodeName, caf::actor> links_;
  caf::actor route_, pulse_, neighbour_, here_;

 protected:
  std::uint64_t life_ = 0;  // As the gateway was told.
  Standing* standing_ = nullptr;
  std::shared_ptr<SessionHost> host_ = std::make_shared<NotedSession>(session_heard_, answered_);
};

AnswerParcel page(std::uint64_t question) { return {question, EventRun{1, {}}}; }

// --- Where it goes.

TEST_F(RouteTest, APrimaryOnThisNodeIsAskedDirectly) {
  is_primary("ant");
  serve_here(3);
  EXPECT_THAT(here(), ElementsAre("session 7 opens"));
  ask_everything();
  EXPECT_THAT(here(),
              ElementsAre("publish 1 in life 3", "follow 1", "read from 5", "unfollow 1", "emissions", "operate at 6"));
}

TEST_F(RouteTest, APrimaryElsewhereIsAskedThroughTheLinkToItsNodeInTheirMeeting) {
  meet("cat", 4);
  meet("bee", 5);
  is_primary("bee");
  says("bee", PrimaryHereParcel{});
  ask_everything();
  EXPECT_THAT(link("bee"), ElementsAre("publish 1 on way 1 in meeting 5", "follow 1 in meeting 5",
                                       "question 1: read from 5 in meeting 5", "unfollow 1 in meeting 5",
                                       "emissions in meeting 5", "question 2: operate at 6 in meeting 5"));
  EXPECT_THAT(link("cat"), IsEmpty());
  EXPECT_THAT(here(), IsEmpty());
}

TEST_F(RouteTest, WhatThePrimaryElsewhereAnswersFindsWhoeverAsked) {
  given_a_remote_primary();
  publish(1);
  follow(1);
  read(5);
  operate(6);
  says("bee", AnswerParcel{2, Offset{9}});
  says("bee", page(1));
  says("bee", PublishedParcel{{kSession, 1, 1, 0, {}, 0}});
  EXPECT_THAT(answered(), ElementsAre("operate 6: done", "read 5: done", "publish 1"));
  says("bee", FollowingParcel{kSession, {1, runtime::Extent{1, 3}}});
  says("bee", DeliveriesParcel{kSession, {{1, {}}}});
  EXPECT_THAT(session(), ElementsAre("follow 1: to 3", "notifications of follow 1"));
  // An answer that comes twice, or to a question that was never asked, is nobody's.
  says("bee", page(1));
  says("bee", page(77));
  says("bee", PublishedParcel{{kSession + 1, 1, 1, 0, {}, 0}});
  EXPECT_THAT(answered(), IsEmpty());
  // One of another kind than was asked for is no answer, but an end.
  read(6);
  says("bee", AnswerParcel{3, Offset{9}});
  EXPECT_THAT(answered(), ElementsAre("read 6: unavailable"));
}

TEST_F(RouteTest, ANodeThatIsToBeThePrimaryIsAskedOnlyOnceItSaysThatItServes) {
  meet("bee");
  is_primary("bee");
  publish(1);
  read(5);
  EXPECT_THAT(link("bee"), IsEmpty());
  says("bee", PrimaryHereParcel{});
  EXPECT_THAT(link("bee"), ElementsAre("publish 1 on way 1 in meeting 1", "question 1: read from 5 in meeting 1"));
  EXPECT_EQ(refused(), 0);
}

TEST_F(RouteTest, APrimaryOfAHigherEpochIsAskedAlthoughTheViewDoesNotKnowOfIt) {
  // Given a fail-over just before etcd went away, of which this node's watch has not told.
  meet("cat");
  given_a_remote_primary();
  read(5);
  operate(6);
  link("bee");
  lose("bee");
  EXPECT_THAT(answered(), ElementsAre("operate 6: unavailable"));
  // When the new primary says that it serves,
  says("cat", PrimaryHereParcel{2});
  // then it is asked.
  EXPECT_THAT(link("cat"), ElementsAre("question 3: read from 5 in meeting 1"));
  publish(1);
  EXPECT_THAT(link("cat"), ElementsAre("publish 1 on way 2 in meeting 1"));
  // The view's own news, once they come, end nothing that is on its way.
  is_primary("cat");
  EXPECT_EQ(refused(), 1);
  says("cat", page(3));
  EXPECT_THAT(answered(), ElementsAre("read 5: done"));
}

TEST_F(RouteTest, P7AQuestionOverWhichTheWayIsLostAgainAndAgainIsRefused) {
  given_a_remote_primary();
  read(5);
  // When the link is lost each time that it was asked.
  std::size_t asked = 0;
  for (int meeting = 2; meeting <= 20; ++meeting) {
    asked += link("bee").size();
    lose("bee");
    meet("bee", static_cast<std::uint64_t>(meeting));
    says("bee", PrimaryHereParcel{});
  }
  // Then the question may be the reason, and is not asked for ever.
  EXPECT_EQ(asked, 6u);
  EXPECT_THAT(answered(), ElementsAre("read 5: unavailable"));
}

TEST_F(RouteTest, P8APrimaryOfALowerEpochIsNotAskedWhateverItSays) {
  meet("cat");
  given_a_remote_primary();
  is_primary("bee");
  says("cat", PrimaryHereParcel{1});
  read(5);
  EXPECT_THAT(link("bee"), ElementsAre("question 1: read from 5 in meeting 1"));
  EXPECT_THAT(link("cat"), IsEmpty());
}

TEST_F(RouteTest, AWrongGuessIsRedirectedOnceTheViewSaysSo) {
  meet("cat");
  given_a_remote_primary();
  read(5);
  operate(6);
  link("bee");
  // Given that bee is no longer the primary,
  says("bee", NotPrimaryParcel{2});
  // then whatever changes nothing waits,
  EXPECT_THAT(answered(), ElementsAre("operate 6: unavailable"));
  read(7);
  EXPECT_THAT(link("bee"), IsEmpty());
  // and goes to whoever is, once that is known and it serves, whichever comes first.
  says("cat", PrimaryHereParcel{});
  EXPECT_THAT(link("cat"), IsEmpty());
  is_primary("cat");
  EXPECT_THAT(link("cat"), ElementsAre("question 3: read from 5 in meeting 1", "question 4: read from 7 in meeting 1"));
  EXPECT_THAT(link("bee"), IsEmpty());
  says("cat", page(3));
  EXPECT_THAT(answered(), ElementsAre("read 5: done"));
}

TEST_F(RouteTest, WhatOthersThanThePrimarySayOfTheirPartitionEndsNothing) {
  meet("cat");
  given_a_remote_primary();
  publish(1);
  says("cat", NotPrimaryParcel{1});
  says("cat", ReloadedParcel{});
  lose("cat");
  publish(2);
  EXPECT_EQ(refused(), 0);
  EXPECT_THAT(link("bee"), ElementsAre("publish 1 on way 1 in meeting 1", "publish 2 on way 1 in meeting 1"));
  // Nor is bee asked again for it.
  read(5);
  says("cat", NotSureParcel{std::uint64_t{1}});
  pass(50ms);
  EXPECT_THAT(link("bee"), ElementsAre("question 1: read from 5 in meeting 1"));
}

TEST_F(RouteTest, APrimaryThatIsHeardBeforeItsLinkIsKnownIsAskedOnceItIs) {
  is_primary("bee");
  says("bee", PrimaryHereParcel{});
  read(5);
  meet("bee");
  pass(50ms);
  EXPECT_THAT(link("bee"), ElementsAre("question 1: read from 5 in meeting 1"));
}

// --- P3: nothing overtakes.

TEST_F(RouteTest, P3AWayOnWhichAnythingWasRefusedIsOver) {
  given_a_remote_primary();
  publish(1);
  publish(2);
  EXPECT_THAT(link("bee"), SizeIs(2));
  // When bee refuses the first,
  says("bee", PublishRefusedParcel{1});
  // then all are, and what comes of that life later, unaware of it, is not passed on.
  EXPECT_EQ(refused(), 1);
  tell(publishing(3, 0));
  EXPECT_THAT(link("bee"), IsEmpty());
  // Whoever has heard of it begins again, on a new way.
  publish(1);
  publish(2);
  EXPECT_THAT(link("bee"), ElementsAre("publish 1 on way 2 in meeting 1", "publish 2 on way 2 in meeting 1"));
  // That the old one was refused once more is no news of the new one.
  says("bee", PublishRefusedParcel{1});
  EXPECT_EQ(refused(), 0);
}

TEST_F(RouteTest, WhatThisNodesPartitionHasCountedIsNotForgottenWithItsTerm) {
  serve_here();
  PartitionStats figures;
  figures.counters.accepted = 3;
  figures.counters.active_hubs = 2;
  figures.reloads = 1;
  // When its term ends, and another one, and the primary is elsewhere,
  for (int term = 0; term < 2; ++term) tell(PartitionEnded{figures});
  serve_no_more();
  given_a_remote_primary();
  // then it all stands, but for what is counted no more; and that ways were lost is no reload.
  EXPECT_EQ(stats().counters.accepted, 6u);
  EXPECT_EQ(stats().counters.active_hubs, 0u);
  EXPECT_EQ(stats().reloads, 2u);
}

TEST_F(RouteTest, P3AWayOnWhichAnythingMayBeLostIsOver) {
  const auto lost_by = [&](const char* why, auto loses, auto comes_back) {
    SCOPED_TRACE(why);
    publish(1);
    link("bee");
    loses();
    EXPECT_EQ(refused(), 1);
    comes_back();
    tell(publishing(2, life_ - 1));  // Sent before its gateway had heard.
    EXPECT_THAT(link("bee"), IsEmpty());
    publish(1);
    EXPECT_THAT(link("bee"), ElementsAre(HasSubstr("publish 1 on way " + std::to_string(life_ + 1))));
  };
  given_a_remote_primary();
  lost_by(
      "it was loaded anew", [&] { says("bee", ReloadedParcel{}); }, [] {});
  lost_by(
      "it no longer serves", [&] { says("bee", NotPrimaryParcel{1}); }, [&] { says("bee", PrimaryHereParcel{}); });
  lost_by(
      "the link was lost", [&] { lose("bee"); },
      [&] {
        meet("bee", 2);
        says("bee", PrimaryHereParcel{});
      });
  lost_by(
      "another one is the primary", [&] { is_primary("cat"); }, [&] { is_primary("bee"); });
}

TEST_F(RouteTest, P3AWayOnThisNodeOnWhichAnythingMayBeLostIsOver) {
  is_primary("ant");
  serve_here(1);
  publish(1);
  // It was loaded anew.
  serve_here(2);
  EXPECT_EQ(refused(), 1);
  tell(publishing(2, 0));
  publish(1);
  EXPECT_THAT(here(), ElementsAre("session 7 opens", "publish 1 in life 1", "session 7 opens", "restart hubs",
                                  "publish 1 in life 2"));
  // It is no longer the primary.
  serve_no_more();
  EXPECT_EQ(refused(), 1);
  tell(publishing(2, 1));
  serve_here(3);
  EXPECT_THAT(here(), ElementsAre("session 7 opens"));
}

TEST_F(RouteTest, P3WhatWaitsKeepsItsOrderOverAChangeOfPrimary) {
  meet("bee");
  meet("cat");
  is_primary("bee");
  publish(1);
  emit();
  publish(2);
  is_primary("cat");
  publish(3);
  says("cat", PrimaryHereParcel{});
  publish(4);
  EXPECT_THAT(link("cat"), ElementsAre("publish 1 on way 1 in meeting 1", "emissions in meeting 1",
                                       "publish 2 on way 1 in meeting 1", "publish 3 on way 1 in meeting 1",
                                       "publish 4 on way 1 in meeting 1"));
  EXPECT_THAT(link("bee"), IsEmpty());
  EXPECT_EQ(refused(), 0);
}

TEST_F(RouteTest, P3WhatWaitsIsVoidWithWhatWasPassedOnBeforeIt) {
  // Given one call that was passed on to bee, which a hand-over has stopped,
  given_a_remote_primary();
  publish(1);
  says("bee", NotPrimaryParcel{1});
  EXPECT_EQ(refused(), 1);
  // and others that wait,
  publish(1);
  publish(2);
  meet("cat");
  is_primary("cat");
  says("cat", PrimaryHereParcel{});
  // then the next primary gets those, in order, and nothing of the old way.
  EXPECT_THAT(link("cat"), ElementsAre("publish 1 on way 2 in meeting 1", "publish 2 on way 2 in meeting 1"));
}

TEST_F(RouteTest, P3APrimaryOnThisNodeIsANewWayThoughTheViewDoesNotSaySoYet) {
  given_a_remote_primary();
  publish(1);
  // When this node's own replica is sooner than the news of what it has become,
  serve_here(1);
  // then a later call does not arrive where the first may not have,
  tell(publishing(2, 0));
  EXPECT_EQ(refused(), 1);
  EXPECT_THAT(here(), Not(Contains(HasSubstr("publish"))));
  // and the news ends no way that is good.
  publish(1);
  is_primary("ant");
  publish(2);
  EXPECT_EQ(refused(), 0);
  EXPECT_THAT(here(), ElementsAre("publish 1 in life 1", "publish 2 in life 1"));
}

TEST_F(RouteTest, P3APrimaryOnThisNodeStaysTheWayUntilItEndsThoughTheViewNamesAnother) {
  is_primary("ant");
  serve_here(1);
  meet("bee");
  publish(1);
  is_primary("bee");
  says("bee", PrimaryHereParcel{});
  publish(2);
  EXPECT_EQ(refused(), 0);
  EXPECT_THAT(here(), ElementsAre("session 7 opens", "publish 1 in life 1", "publish 2 in life 1"));
  serve_no_more();
  EXPECT_EQ(refused(), 1);
  publish(1);
  EXPECT_THAT(link("bee"), ElementsAre("publish 1 on way 2 in meeting 1"));
}

TEST_F(RouteTest, P3WithTooFewInSyncAllCallsAreRefusedTogetherAndEmissionsAreNot) {
  is_primary("ant");
  publish(1);
  emit();
  publish(2);
  standing_->may_publish = false;
  serve_here(1);
  EXPECT_EQ(refused(), 1);
  pass(50ms);
  EXPECT_THAT(here(), ElementsAre("session 7 opens", "emissions"));
  standing_->may_publish = true;
  publish(1);
  EXPECT_THAT(here(), ElementsAre("publish 1 in life 1"));
}

// --- P4, P2: whoever listened or emitted begins again.

TEST_F(RouteTest, P4WhenTheWayIsLostSessionsFollowAgainAndHubsRepeatTheirEmissions) {
  given_a_remote_primary();
  follow(1);
  emit();
  link("bee");
  says("bee", ReloadedParcel{});
  EXPECT_THAT(session(), ElementsAre("follow again"));
  EXPECT_THAT(neighbour(), ElementsAre("restart hubs"));
  // Once: nothing was passed on since.
  lose("bee");
  EXPECT_THAT(session(), IsEmpty());
  EXPECT_THAT(neighbour(), IsEmpty());
}

TEST_F(RouteTest, P4AFollowThatWaitsWhenTheWayIsLostIsAskedForAgainByItsSessionOnly) {
  given_a_remote_primary();
  follow(1);
  says("bee", NotSureParcel{FollowParcel{{kSession, 1}, ada()}});
  says("bee", ReloadedParcel{});
  EXPECT_THAT(session(), ElementsAre("follow again"));
  link("bee");
  follow(1);
  pass(50ms);
  EXPECT_THAT(link("bee"), ElementsAre("follow 1 in meeting 1"));
}

TEST_F(RouteTest, P2EmissionsThatWaitAreVoidWithThoseBeforeThemForTheHubRepeatsAll) {
  given_a_remote_primary();
  emit();
  link("bee");
  lose("bee");
  emit();
  meet("bee", 2);
  says("bee", PrimaryHereParcel{});
  EXPECT_THAT(link("bee"), ElementsAre("emissions in meeting 2"));
}

// --- Patience.

TEST_F(RouteTest, WhatChangesNothingIsAskedAgainOnAnotherWayAndAnOperationIsNot) {
  given_a_remote_primary();
  read(5);
  operate(6);
  says("bee", ReloadedParcel{});
  EXPECT_THAT(link("bee"),
              ElementsAre("question 1: read from 5 in meeting 1", "question 2: operate at 6 in meeting 1"));
  // It may have been done; who asked has to look.
  EXPECT_THAT(answered(), ElementsAre("operate 6: unavailable"));
  pass(50ms);
  EXPECT_THAT(link("bee"), ElementsAre("question 3: read from 5 in meeting 1"));
}

TEST_F(RouteTest, APrimaryThatIsNotSureIsAskedAgainUntilPatienceIsOver) {
  given_a_remote_primary();
  read(5);
  follow(1);
  EXPECT_THAT(link("bee"), ElementsAre("question 1: read from 5 in meeting 1", "follow 1 in meeting 1"));
  // Given a primary that says nothing but that it is not sure,
  int asked = 1;
  std::uint64_t question = 1;
  const auto not_sure = [&] {
    says("bee", NotSureParcel{question});
    says("bee", NotSureParcel{FollowParcel{{kSession, 1}, ada()}});
  };
  const auto since = now();
  while (now() - since < 900ms) {
    not_sure();
    EXPECT_THAT(link("bee"), IsEmpty()) << "Not before a moment has passed.";
    pass(20ms);
    ++question;
    EXPECT_THAT(link("bee"), ElementsAre("question " + std::to_string(question) + ": read from 5 in meeting 1",
                                         "follow 1 in meeting 1"));
    ++asked;
  }
  EXPECT_GE(asked, 40);
  EXPECT_THAT(answered(), IsEmpty());
  EXPECT_THAT(session(), IsEmpty());
  // then whoever asked is told so at last, and not before.
  pass(110ms);
  not_sure();
  EXPECT_THAT(answered(), ElementsAre("read 5: unavailable"));
  EXPECT_THAT(session(), ElementsAre("follow 1: unavailable"));
  pass(50ms);
  EXPECT_THAT(link("bee"), IsEmpty());
  EXPECT_EQ(refused(), 0) << "Publishing is another matter.";
}

TEST_F(RouteTest, P7EmissionsThatFindNoRoomToWaitAreRepeatedOnceThereIsAWay) {
  // Given no primary, and more emissions than may wait,
  is_primary("bee");
  constexpr std::size_t kFit = 4;
  for (std::size_t i = 0; i < kFit + 3; ++i) emit();
  neighbour();
  // when there is a way,
  meet("bee");
  says("bee", PrimaryHereParcel{});
  // then those that waited go, and hubs are told to repeat what is not acknowledged; once.
  EXPECT_THAT(link("bee"), SizeIs(kFit));
  EXPECT_THAT(neighbour(), ElementsAre("restart hubs"));
  emit();
  EXPECT_THAT(link("bee"), SizeIs(1));
  EXPECT_THAT(neighbour(), IsEmpty());
}

TEST_F(RouteTest, P4WhatAnEarlierPrimaryAnswersLateKeepsNobodyFromAskingTheOneOfNow) {
  given_a_remote_primary();
  follow(1);
  // Given a primary that takes over and is asked to follow as well,
  meet("cat");
  is_primary("cat");
  says("cat", PrimaryHereParcel{2});
  session();
  follow(1);
  EXPECT_THAT(link("cat"), ElementsAre("follow 1 in meeting 1"));
  // when the answer of the one before it comes only now, and the new one is not sure yet,
  says("bee", FollowingParcel{kSession, {1, runtime::Extent{1, 3}}});
  says("cat", NotSureParcel{FollowParcel{{kSession, 1}, ada()}});
  // then it is asked again.
  pass(50ms);
  EXPECT_THAT(link("cat"), ElementsAre("follow 1 in meeting 1"));
}

TEST_F(RouteTest, WhileAPrimaryIsNotSureItIsAskedNothingElseForAMomentEither) {
  given_a_remote_primary();
  read(5);
  says("bee", NotSureParcel{std::uint64_t{1}});
  link("bee");
  read(6);
  EXPECT_THAT(link("bee"), IsEmpty());
  publish(1);
  EXPECT_THAT(link("bee"), ElementsAre("publish 1 on way 1 in meeting 1")) << "For this it need not be sure.";
  pass(20ms);
  EXPECT_THAT(link("bee"), ElementsAre("question 2: read from 5 in meeting 1", "question 3: read from 6 in meeting 1"));
}

TEST_F(RouteTest, AnAnswerOfAPrimaryThatWasNotSureMakesPatienceNew) {
  given_a_remote_primary();
  const auto not_sure_for_600ms = [&](std::uint64_t question) {
    read(5);
    for (auto passed = 0ms; passed < 600ms; passed += 20ms) {
      says("bee", NotSureParcel{question++});
      pass(20ms);
    }
    return question;
  };
  const auto question = not_sure_for_600ms(1);
  says("bee", page(question));
  EXPECT_THAT(answered(), ElementsAre("read 5: done"));
  says("bee", page(not_sure_for_600ms(question + 1)));
  EXPECT_THAT(answered(), ElementsAre("read 5: done"));
}

TEST_F(RouteTest, APrimaryOnThisNodeThatIsNotSureIsNotReadFromUntilItIs) {
  is_primary("ant");
  serve_here(1);
  here();
  sure(false);
  read(5);
  follow(1);
  pass_slowly(500ms);
  EXPECT_THAT(here(), IsEmpty());
  sure(true);
  pass(50ms);
  EXPECT_THAT(here(), ElementsAre("read from 5", "follow 1"));
}

TEST_F(RouteTest, APrimaryOnThisNodeThatIsNotSureForTooLongIsOfNoUse) {
  is_primary("ant");
  serve_here(1);
  follow(1);
  here();
  sure(false);
  pass(50ms);  // Seen.
  read(5);
  publish(1);
  pass_slowly(900ms);
  EXPECT_EQ(refused(), 0);
  EXPECT_THAT(answered(), IsEmpty());
  pass_slowly(150ms);
  // Those who follow here would hear nothing; perhaps another node is better placed.
  EXPECT_THAT(session(), ElementsAre("follow again"));
  EXPECT_THAT(answered(), ElementsAre("read 5: unavailable"));
  EXPECT_EQ(refused(), 1);
  EXPECT_FALSE(stats().available);
  follow(1);
  EXPECT_THAT(session(), ElementsAre("follow 1: unavailable"));
  publish(1);
  EXPECT_EQ(refused(), 1);
}

TEST_F(RouteTest, WhatWaitsForAPrimaryOutOfReachIsRefusedAfterASecondAndWhatComesThenAtOnce) {
  given_a_remote_primary();
  lose("bee");
  refused();
  session();
  publish(1);
  read(5);
  follow(1);
  operate(6);
  // Given a primary that is out of reach for less than a second,
  pass_slowly(950ms);
  // then things wait,
  EXPECT_EQ(refused(), 0);
  EXPECT_THAT(answered(), IsEmpty());
  EXPECT_TRUE(session().empty());
  // and when it is a second, they are refused.
  pass_slowly(50ms);
  EXPECT_EQ(refused(), 1);
  EXPECT_THAT(answered(), ElementsAre("read 5: unavailable", "operate 6: unavailable"));
  EXPECT_THAT(session(), ElementsAre("follow 1: unavailable"));
  EXPECT_FALSE(stats().available);
  EXPECT_THAT(stats().problem, HasSubstr("no primary that can be reached"));
  // What comes now does not wait.
  publish(1);
  EXPECT_EQ(refused(), 1);
  read(7);
  follow(2);
  EXPECT_THAT(answered(), ElementsAre("read 7: unavailable"));
  EXPECT_THAT(session(), ElementsAre("follow 2: unavailable"));
  // Once it is back, all is as before, and of what was refused nothing comes.
  meet("bee", 2);
  says("bee", PrimaryHereParcel{});
  publish(1);
  read(8);
  link("bee");
  EXPECT_TRUE(stats().available);
  EXPECT_EQ(refused(), 0);
  says("bee", page(1));
  EXPECT_THAT(answered(), ElementsAre("read 8: done"));
}

TEST_F(RouteTest, APrimaryIsOutOfReachSinceItWasLastHeard) {
  meet("bee");
  tell(LinkLost{"bee", now() - 700ms});
  is_primary("bee");
  read(5);
  pass_slowly(200ms);
  EXPECT_THAT(answered(), IsEmpty());
  pass_slowly(100ms);
  EXPECT_THAT(answered(), ElementsAre("read 5: unavailable"));
}

TEST_F(RouteTest, AnotherPrimaryIsGivenASecondOfItsOwn) {
  meet("cat");
  given_a_remote_primary();
  lose("bee");
  pass_slowly(900ms);
  publish(1);
  is_primary("cat");
  pass_slowly(900ms);
  EXPECT_EQ(refused(), 0);
  says("cat", PrimaryHereParcel{});
  EXPECT_THAT(link("cat"), ElementsAre("publish 1 on way 1 in meeting 1"));
}

TEST_F(RouteTest, NothingWaitsForLongerThanASecondThoughPrimariesComeAndGo) {
  meet("bee");
  meet("cat");
  is_primary("bee");
  pass_slowly(100ms);
  publish(1);
  read(5);
  for (const auto* primary : {"cat", "bee", "cat"}) {
    pass_slowly(300ms);
    is_primary(primary);
  }
  EXPECT_EQ(refused(), 0);
  EXPECT_THAT(answered(), IsEmpty());
  pass_slowly(150ms);
  EXPECT_EQ(refused(), 1);
  EXPECT_THAT(answered(), ElementsAre("read 5: unavailable"));
}

TEST_F(RouteTest, WithoutAnyRecordThingsWaitAndAreRefusedAsWell) {
  publish(1);
  read(5);
  pass_slowly(1'050ms);
  EXPECT_EQ(refused(), 1);
  EXPECT_THAT(answered(), ElementsAre("read 5: unavailable"));
}

// --- P7: what is kept is bounded.

TEST_F(RouteTest, P7NoMoreCallsWaitThanMayAndNoneOvertakesThoseThatWereRefused) {
  meet("bee");
  is_primary("bee");
  for (std::uint64_t call = 1; call <= kWaitingMax; ++call) publish(call);
  EXPECT_EQ(refused(), 0);
  publish(kWaitingMax + 1);
  EXPECT_EQ(refused(), 1);
  tell(publishing(kWaitingMax + 2, 0));
  says("bee", PrimaryHereParcel{});
  EXPECT_THAT(link("bee"), IsEmpty());
  publish(1);
  EXPECT_THAT(link("bee"), ElementsAre("publish 1 on way 2 in meeting 1"));
}

TEST_F(RouteTest, P7NoMoreQuestionsWaitThanMay) {
  meet("bee");
  is_primary("bee");
  for (Offset from = 1; from <= kWaitingMax; ++from) read(from);
  EXPECT_THAT(answered(), IsEmpty());
  read(9);
  follow(1);
  EXPECT_THAT(answered(), ElementsAre("read 9: unavailable"));
  EXPECT_THAT(session(), ElementsAre("follow 1: unavailable"));
  says("bee", PrimaryHereParcel{});
  EXPECT_THAT(link("bee"), SizeIs(kWaitingMax));
}

TEST_F(RouteTest, P7NoMoreQuestionsAreUnderWayThanMayWait) {
  // Given a primary that answers nothing,
  given_a_remote_primary();
  for (Offset from = 1; from <= kWaitingMax; ++from) read(from);
  EXPECT_THAT(link("bee"), SizeIs(kWaitingMax));
  read(9);
  EXPECT_THAT(answered(), ElementsAre("read 9: unavailable"));
  EXPECT_THAT(link("bee"), IsEmpty());
  // With each answer there is room for another.
  says("bee", page(1));
  read(10);
  EXPECT_THAT(answered(), ElementsAre("read 1: done"));
  EXPECT_THAT(link("bee"), ElementsAre("question 9: read from 10 in meeting 1"));
  // What follows is not a question that is remembered.
  follow(1);
  EXPECT_THAT(link("bee"), ElementsAre("follow 1 in meeting 1"));
}

TEST_F(RouteTest, P7NoMoreFollowsWaitThanMayWhenAPrimaryIsNotSureOfAny) {
  given_a_remote_primary();
  for (std::uint32_t number = 1; number <= kWaitingMax + 1; ++number) follow(number);
  EXPECT_THAT(link("bee"), SizeIs(kWaitingMax + 1));
  for (std::uint32_t number = 1; number <= kWaitingMax + 1; ++number)
    says("bee", NotSureParcel{FollowParcel{{kSession, number}, ada()}});
  EXPECT_THAT(session(), ElementsAre("follow 9: unavailable"));
  pass(20ms);
  EXPECT_THAT(link("bee"), SizeIs(kWaitingMax));
}

TEST_F(RouteTest, P7ASessionThatClosesWhileThingsWaitTakesNoSeatAtTheNextPrimary) {
  meet("bee");
  is_primary("bee");
  follow(1);
  publish(1);
  tell(SessionOpened{kSession + 1, host_});
  tell(following(1, kSession + 1));
  tell(publishing(2, 0, kSession + 1));
  tell(SessionClosed{kSession});
  says("bee", PrimaryHereParcel{});
  // Nobody would ever tell bee to close it.
  EXPECT_THAT(link("bee"), ElementsAre("publish 2 on way 1 in meeting 1", "follow 1 in meeting 1"));
}

TEST_F(RouteTest, P7WhatASessionNoLongerFollowsIsNotFollowedLater) {
  meet("bee");
  is_primary("bee");
  // Not what has waited,
  follow(1);
  follow(2);
  unfollow(1);
  says("bee", PrimaryHereParcel{});
  EXPECT_THAT(link("bee"), ElementsAre("follow 2 in meeting 1"));
  // nor what the primary was not sure of.
  unfollow(2);
  says("bee", NotSureParcel{FollowParcel{{kSession, 2}, ada()}});
  pass(50ms);
  EXPECT_THAT(link("bee"), ElementsAre("unfollow 2 in meeting 1"));
}

TEST_F(RouteTest, ThePrimaryElsewhereHearsThatASessionHasClosed) {
  given_a_remote_primary();
  follow(1);
  link("bee");
  tell(SessionClosed{kSession});
  EXPECT_THAT(link("bee"), ElementsAre("session 7 closes in meeting 1"));
  says("bee", NotSureParcel{FollowParcel{{kSession, 1}, ada()}});
  pass(50ms);
  EXPECT_THAT(link("bee"), IsEmpty());
}

}  // namespace
}  // namespace carillon::actors
