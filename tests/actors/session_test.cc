// What one connection follows and is given: in order, within its credit (P4, P7). Partitions are played by the test, in one thread.
#include "actors/session.h"

#include <kj/async-io.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "actors/feed.h"
#include "actors/gateway_sessions.h"
#include "tests/support/stepped_actors.h"

namespace carillon::actors {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Log = std::vector<std::string>;

constexpr std::uint16_t kPartitions = 2;
constexpr std::size_t kCredit = 1'000;

// A player of that partition.
EntityId player_of(std::uint16_t partition) {
  for (int i = 0;; ++i)
    if (auto entity = EntityId::parse("player/" + std::to_string(i)).value();
        entity.partition_of(kPartitions).value == partition)
      return entity;
}

EventRun run_of(Offset first, std::size_t events, std::size_t payload_bytes = 2) {
  EventRun run{first, {}};
  for (std::size_t i = 0; i < events; ++i)
    run.events.push_back(
        Event{"note", std::string(payload_bytes, ' '), ProducerId::client("p").value(), first + i, 0, 0});
  return run;
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    auto actors = std::make_shared<std::vector<caf::actor>>();
    for (std::uint16_t p = 0; p < kPartitions; ++p)
      actors->push_back(partitions_[p] =
                            actors_.listener<SessionOpened, SessionClosed, FollowEntity, UnfollowEntity, ReadPage>(
                                [this, p](const auto& message) { heard(p, message); }));
    turns_ = actors_.listener<WantTurn>([this](const WantTurn& wanted) {
      if (free_turns_)
        wanted.granted(std::make_shared<int>());
      else
        turns_wanted_.push_back(wanted);
    });
    node_.emplace(access::QuotaLimits(), access::QuotaLimits(), turns_);
    edge_.emplace(actors_.system(), actors, Catalogue(), runtime::Limits(), EdgeLimits(), *node_, inbox_,
                  io_.provider->getTimer());
    session_.emplace(*edge_, kCredit,
                     Session::Client{[this](SessionBatch batch) { deliver(std::move(batch)); },
                                     [this](std::uint32_t number, const Result<FollowBegun>& outcome) {
                                       client_.push_back(std::to_string(number) +
                                                         (outcome ? " begins at " + std::to_string(outcome->next)
                                                                  : " is " + name(outcome.error())));
                                       if (on_begun_) on_begun_();
                                     },
                                     [this](std::uint32_t number, const Error& error) {
                                       client_.push_back(std::to_string(number) + " ended: " + name(error));
                                     }});
  }
  ~SessionTest() noexcept override {
    session_.reset();
    actors_.run();
    for (const auto& partition : partitions_) actors_.end(partition);
    actors_.end(turns_);
  }

  // --- What partitions hear.
  void heard(std::uint16_t p, const SessionOpened& opened) {
    host_ = opened.host;
    id_ = opened.session;
    note(p, "opens");
  }
  void heard(std::uint16_t p, const SessionClosed&) { note(p, "closes"); }
  void heard(std::uint16_t p, const FollowEntity& asked) { note(p, "follows " + number(asked.follower)); }
  void heard(std::uint16_t p, const UnfollowEntity& asked) { note(p, "unfollows " + number(asked.follower)); }
  void heard(std::uint16_t p, const ReadPage& asked) {
    note(p, "reads from " + std::to_string(asked.from));
    reads_.push_back(asked);
  }
  Log partition() {
    settle();
    return std::exchange(partition_heard_, {});
  }
  Log client() {
    settle();
    return std::exchange(client_, {});
  }

  // --- What they say.
  void follow(std::uint32_t number, std::uint16_t partition, FollowStart start = {}) {
    session_->follow(number, player_of(partition), start);
    settle();
  }
  void following(std::uint32_t number, Result<runtime::Extent> extent) {
    host_->following(id_, {number, std::move(extent)});
    settle();
  }
  void committed(std::uint32_t number, EventRun run) { committed({{number, runtime::slice_of(std::move(run))}}); }
  void committed(std::vector<runtime::Delivery> deliveries) {
    host_->committed({{id_, std::move(deliveries)}}, Clock::now());
    settle();
  }
  // The answer to the oldest page that was asked for.
  void answer_page(Result<EventRun> page) {
    ASSERT_FALSE(reads_.empty());
    const auto asked = reads_.front();
    reads_.erase(reads_.begin());
    asked.answer(std::move(page));
    settle();
  }
  std::size_t pages_asked() const { return reads_.size(); }
  Offset next_asked() const { return reads_.front().from; }
  // It ends with what it was asked for in its mailbox.
  void partition_ends() { reads_.clear(); }
  // What the gateway's thread does not come to yet.
  void say_following(std::uint32_t number, runtime::Extent extent) { host_->following(id_, {number, extent}); }
  void say_committed(std::uint32_t number, const runtime::EventSlice& events) {
    host_->committed({{id_, {{number, events}}}}, Clock::now());
  }
  // For what takes its time.
  bool eventually(const std::function<bool()>& happened) {
    for (const auto until = Clock::now() + std::chrono::seconds(10); !happened();) {
      if (Clock::now() > until) return false;
      io_.provider->getTimer().afterDelay(1 * kj::MILLISECONDS).wait(io_.waitScope);
    }
    return true;
  }
  // Everything that follows from what was said is done when this returns.
  void settle() {
    for (int turn = 0; turn < 5; ++turn) {
      actors_.run();
      io_.waitScope.poll();
    }
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  kj::Promise<void> jobs_ = inbox_->run(*io_.lowLevelProvider).eagerlyEvaluate(nullptr);
  testing::SteppedActors actors_;
  std::array<caf::actor, kPartitions> partitions_;
  caf::actor turns_;
  bool free_turns_ = true;
  std::vector<WantTurn> turns_wanted_;
  std::optional<NodeEdge> node_;
  std::optional<Edge> edge_;
  std::optional<Session> session_;
  std::function<void()> on_begun_;
  std::size_t bytes_ = 0;  // Delivered.

 private:
  static std::string name(const Error& error) { return std::string(name_of(error.code)); }
  static std::string number(const runtime::Follower& follower) { return std::to_string(follower.follow); }
  void note(std::uint16_t p, const std::string& what) { partition_heard_.push_back(std::to_string(p) + ": " + what); }
  void deliver(SessionBatch batch) {
    bytes_ += batch.bytes;
    for (const auto& [number, events] : batch.deliveries)
      client_.push_back(std::to_string(number) + " has " + std::to_string(events.first) + " to " +
                        std::to_string(events.last()));
  }

  Log partition_heard_, client_;
  std::shared_ptr<SessionHost> host_;
  runtime::SessionId id_ = 0;
  std::vector<ReadPage> reads_;
};

TEST_F(SessionTest, IsKnownToThePartitionsOfWhatItFollowsAndToNoOthers) {
  follow(1, 1);
  EXPECT_THAT(partition(), ElementsAre("1: opens", "1: follows 1"));
  follow(2, 1);
  EXPECT_THAT(partition(), ElementsAre("1: follows 2"));
  session_.reset();
  EXPECT_THAT(partition(), ElementsAre("1: closes"));
  EXPECT_THAT(edge_->sessions, IsEmpty());
}

TEST_F(SessionTest, P4WhatIsOnDiskComesFirstAndThenWhatIsCommittedWithoutASeam) {
  follow(1, 0);
  // Committed while it is not known yet where the mailbox stands, and while a page is being read: from disk later.
  committed(1, run_of(3, 1));
  following(1, runtime::Extent{1, 3});
  EXPECT_THAT(partition(), ElementsAre("0: opens", "0: follows 1", "0: reads from 1"));
  committed(1, run_of(4, 1));
  answer_page(run_of(1, 3));
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "1 has 1 to 3"));
  EXPECT_THAT(partition(), ElementsAre("0: reads from 4"));
  answer_page(run_of(4, 1));
  committed(1, run_of(5, 2));
  committed(1, run_of(6, 2));  // Told twice in part.
  EXPECT_THAT(client(), ElementsAre("1 has 4 to 4", "1 has 5 to 6", "1 has 7 to 7"));
  EXPECT_THAT(partition(), IsEmpty());
}

TEST_F(SessionTest, P7WithoutCreditNothingIsKeptAndWhatWasMissedIsReadWhenThereIsRoom) {
  follow(1, 0);
  following(1, runtime::Extent{1, 0});
  committed(1, run_of(1, 1, kCredit));
  committed(1, run_of(2, 1));
  committed(1, run_of(3, 1));
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "1 has 1 to 1"));
  EXPECT_THAT(partition(), ElementsAre("0: opens", "0: follows 1"));
  session_->taken(bytes_);
  EXPECT_THAT(partition(), ElementsAre("0: reads from 2"));
  answer_page(run_of(2, 2));
  EXPECT_THAT(client(), ElementsAre("1 has 2 to 3"));
}

TEST_F(SessionTest, P7OfOneCommitOnlySoMuchIsPassedOnAndTheRestIsRead) {
  follow(1, 0);
  follow(2, 0);
  following(1, runtime::Extent{1, 0});
  following(2, runtime::Extent{1, 0});
  partition();
  client();
  // 30 events of 60 kB, and one for another follow: 17 fit into a MiB.
  committed({{1, runtime::slice_of(run_of(1, 30, 60'000))}, {2, runtime::slice_of(run_of(1, 1, 60'000))}});
  EXPECT_THAT(client(), ElementsAre("1 has 1 to 17"));
  EXPECT_LE(bytes_, 1u << 20);
  EXPECT_THAT(partition(), IsEmpty()) << "there is no room";
  session_->taken(bytes_);
  EXPECT_THAT(partition(), ElementsAre("0: reads from 18", "0: reads from 1"));
}

TEST_F(SessionTest, P7AnEventThatIsLargerThanWhatIsPassedOnAtOnceIsPassedOnAlone) {
  follow(1, 0);
  following(1, runtime::Extent{1, 0});
  committed(1, run_of(1, 2, 2u << 20));
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "1 has 1 to 1"));
}

TEST_F(SessionTest, P7APageThatThePartitionHasNoRoomToReadIsAskedForAgain) {
  follow(1, 0);
  following(1, runtime::Extent{1, 1});
  EXPECT_THAT(partition(), ElementsAre("0: opens", "0: follows 1", "0: reads from 1"));
  answer_page(Error{ErrorCode::OVERLOADED, "no room"});
  EXPECT_THAT(partition(), IsEmpty());
  EXPECT_TRUE(eventually([&] { return partition() == Log{"0: reads from 1"}; }));
  answer_page(run_of(1, 1));
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "1 has 1 to 1"));
}

TEST_F(SessionTest, P4APageThatNobodyAnswersAnyMoreIsAskedForAgain) {
  follow(1, 0);
  following(1, runtime::Extent{1, 1});
  EXPECT_THAT(partition(), ElementsAre("0: opens", "0: follows 1", "0: reads from 1"));
  partition_ends();
  EXPECT_TRUE(eventually([&] { return partition() == Log{"0: reads from 1"}; }));
  answer_page(run_of(1, 1));
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "1 has 1 to 1"));
}

TEST_F(SessionTest, P7NewsBeyondWhatMayWaitIsNotKeptAndIsRead) {
  follow(1, 0);
  follow(2, 0);
  following(1, runtime::Extent{1, 0});
  // Given as much news as may wait for the thread,
  const auto first = runtime::slice_of(run_of(1, 1));
  for (std::size_t i = 0; i < GatewaySessions::kNewsWaitingMax; ++i) say_committed(1, first);
  // when there is more, also for a follow whose beginning waits as well,
  say_following(2, {1, 0});
  for (Offset offset = 2; offset <= 3; ++offset) {
    say_committed(1, runtime::slice_of(run_of(offset, 1)));
    say_committed(2, runtime::slice_of(run_of(offset - 1, 1)));
  }
  // then it is read once the thread gets there.
  settle();
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "1 has 1 to 1", "2 begins at 1"));
  EXPECT_THAT(partition(),
              ElementsAre("0: opens", "0: follows 1", "0: follows 2", "0: reads from 2", "0: reads from 1"));
}

TEST_F(SessionTest, P4OfLateNewsFromManyThreadsNoneIsForgotten) {
  constexpr std::uint32_t kFollows = 4;
  constexpr Offset kLast = 200;
  for (std::uint32_t number = 1; number <= kFollows; ++number) {
    follow(number, 0);
    following(number, runtime::Extent{1, 0});
  }
  // Given as much news as may wait, when several threads have more,
  const auto nothing_new = runtime::slice_of(run_of(1, 1));
  for (std::size_t i = 0; i < GatewaySessions::kNewsWaitingMax; ++i) say_committed(kFollows + 1, nothing_new);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t number = 1; number <= kFollows; ++number)
      threads.emplace_back([&, number] {
        for (Offset offset = 1; offset <= kLast; ++offset) say_committed(number, runtime::slice_of(run_of(offset, 1)));
      });
  }
  settle();
  // then all of it is read, to the last.
  std::size_t pages = 0;
  for (; pages_asked() > 0 && pages < 2 * kFollows * kLast; ++pages) {
    answer_page(run_of(next_asked(), 1));
    session_->taken(std::exchange(bytes_, 0));
    settle();
  }
  EXPECT_EQ(pages, kFollows * kLast);
}

TEST_F(SessionTest, P7APageThatIsNotThereYetIsAskedForAgainAfterAPause) {
  follow(1, 0);
  following(1, runtime::Extent{1, 1});
  EXPECT_THAT(partition(), ElementsAre("0: opens", "0: follows 1", "0: reads from 1"));
  answer_page(run_of(1, 0));
  EXPECT_THAT(partition(), IsEmpty());
  EXPECT_TRUE(eventually([&] { return partition() == Log{"0: reads from 1"}; }));
  answer_page(run_of(1, 1));
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "1 has 1 to 1"));
}

TEST_F(SessionTest, P4AStreamWhoseEndWasGivenUpEndsTheFollow) {
  // Given one who has seen ten events,
  follow(1, 0);
  following(1, runtime::Extent{1, 0});
  committed(1, run_of(1, 10));
  partition();
  client();
  // and a partition that begins again from a copy with four.
  session_->reloaded({0});
  following(1, runtime::Extent{1, 4});
  // Then it asks once more, for an answer may be old,
  EXPECT_THAT(client(), IsEmpty());
  EXPECT_THAT(partition(), ElementsAre("0: follows 1", "0: unfollows 1", "0: follows 1"));
  following(1, runtime::Extent{1, 10});
  EXPECT_THAT(client(), IsEmpty());
  // and tells the client when it is told so twice.
  following(1, runtime::Extent{1, 4});
  following(1, runtime::Extent{1, 4});
  EXPECT_THAT(client(), ElementsAre("1 ended: beyond_end"));
}

TEST_F(SessionTest, P7WhatWaitsForASlowClientGoesToItInMessagesOfBoundedLength) {
  // Given a client that has room for much, and takes its time over the first message.
  auto taken = kj::newPromiseAndFulfiller<void>();
  std::vector<std::size_t> messages;  // Events in each.
  Feed feed(*edge_,
            {.pass_on = [&](const std::vector<runtime::Delivery>& deliveries) -> kj::Promise<void> {
               messages.push_back(0);
               for (const auto& delivery : deliveries) messages.back() += delivery.events.events.size();
               return messages.size() == 1 ? kj::mv(taken.promise) : kj::Promise<void>(kj::READY_NOW);
             },
             .ended = [](std::uint32_t, const Error&) {},
             .begun = [](std::uint32_t, const Result<FollowBegun>&) {}},
            64u << 20);
  feed.follow(1, player_of(0), {});
  settle();
  following(1, runtime::Extent{1, 0});
  // When ten events of half a MiB come meanwhile, one by one,
  for (Offset offset = 1; offset <= 11; ++offset) committed(1, run_of(offset, 1, 512u << 10));
  EXPECT_EQ(messages, std::vector<std::size_t>{1});
  // then it is not given them all at once.
  taken.fulfiller->fulfill();
  settle();
  EXPECT_EQ(messages, (std::vector<std::size_t>{1, 4, 4, 2}));
}

TEST_F(SessionTest, P7TheSubscriptionsOfOneConnectionShareACredit) {
  const auto shared = std::make_shared<SharedCredit>(kCredit);
  Log heard;
  std::size_t bytes = 0;
  const auto client_of = [&](const std::string& name) {
    return Session::Client{[&, name](const SessionBatch& batch) {
                             const auto& events = batch.deliveries.front().events;
                             heard.push_back(name + " has " + std::to_string(events.first));
                             bytes += batch.bytes;
                           },
                           [](std::uint32_t, const Result<FollowBegun>&) {}, [](std::uint32_t, const Error&) {}};
  };
  const auto commits = [&](Session& session, EventRun run) {
    session.committed({{1, runtime::slice_of(std::move(run))}}, Clock::now());
    settle();
  };
  // Given two that may have much each, and little together,
  std::optional<Session> first(std::in_place, *edge_, 1u << 20, client_of("first"), shared);
  Session second(*edge_, 1u << 20, client_of("second"), shared);
  first->follow(1, player_of(0), {});
  second.follow(1, player_of(1), {});
  first->following({1, runtime::Extent{1, 0}});
  second.following({1, runtime::Extent{1, 0}});
  partition();
  // when the first has not taken in what there is room for,
  commits(*first, run_of(1, 1, kCredit));
  commits(second, run_of(1, 1));
  // then the second keeps nothing, and reads nothing
  EXPECT_THAT(heard, ElementsAre("first has 1"));
  EXPECT_THAT(partition(), IsEmpty());
  // before there is room again.
  first->taken(bytes);
  EXPECT_THAT(partition(), ElementsAre("1: reads from 1"));
  // A page that is being read takes room as well,
  commits(*first, run_of(2, 1));
  EXPECT_THAT(heard, ElementsAre("first has 1"));
  EXPECT_THAT(partition(), IsEmpty());
  answer_page(run_of(1, 1));
  EXPECT_THAT(heard, ElementsAre("first has 1", "second has 1"));
  EXPECT_THAT(partition(), ElementsAre("0: reads from 2"));
  // and whoever ends gives back what it had.
  commits(second, run_of(2, 1));
  first.reset();
  EXPECT_THAT(partition(), ElementsAre("0: closes", "1: reads from 2"));
}

TEST_F(SessionTest, ReadsNothingForWhatIsUnfollowedBeforeItsTurn) {
  free_turns_ = false;
  follow(1, 0);
  following(1, runtime::Extent{1, 1});
  session_->unfollow(1);
  for (const auto& wanted : turns_wanted_) wanted.granted(std::make_shared<int>());
  EXPECT_THAT(partition(), ElementsAre("0: opens", "0: follows 1", "0: unfollows 1"));
}

TEST_F(SessionTest, AClientMayUnfollowWhenItHearsThatAFollowBegins) {
  on_begun_ = [&] { session_->unfollow(1); };
  follow(1, 0);
  following(1, runtime::Extent{1, 5});
  EXPECT_THAT(client(), ElementsAre("1 begins at 1"));
  EXPECT_THAT(partition(), ElementsAre("0: opens", "0: follows 1", "0: unfollows 1"));
}

TEST_F(SessionTest, P4AfterAReloadItFollowsAgainAndReadsWhatItHasMissed) {
  follow(1, 0);
  follow(2, 1);
  following(1, runtime::Extent{1, 0});
  following(2, runtime::Extent{1, 0});
  partition();
  session_->reloaded({0});
  EXPECT_THAT(partition(), ElementsAre("0: follows 1"));
  following(1, runtime::Extent{1, 2});
  EXPECT_THAT(partition(), ElementsAre("0: reads from 1"));
  answer_page(run_of(1, 2));
  EXPECT_THAT(client(), ElementsAre("1 begins at 1", "2 begins at 1", "1 has 1 to 2"));
  // A partition that cannot be loaded any more is not waited for.
  session_->reloaded({1});
  following(2, Error{ErrorCode::UNAVAILABLE, "damaged"});
  EXPECT_THAT(client(), ElementsAre("2 ended: unavailable"));
  EXPECT_THAT(partition(), ElementsAre("1: follows 2", "1: unfollows 2"));
}

TEST_F(SessionTest, BeginsWhereItIsAskedToOrSaysWhyNot) {
  using enum FollowStart::Kind;
  std::uint32_t number = 0;
  for (const auto& start : std::vector<FollowStart>{
           {kAt, 2}, {kAt, 12}, {kBehind, 3}, {kBehind, 4}, {kBehind, 12}, {kFirst, 0}, {kEnd, 0}}) {
    follow(++number, 0, start);
    following(number, runtime::Extent{5, 10});
  }
  EXPECT_THAT(client(), ElementsAre("1 is truncated", "2 is beyond_end", "3 is truncated", "4 begins at 5",
                                    "5 begins at 11", "6 begins at 5", "7 begins at 11"));
}

}  // namespace
}  // namespace carillon::actors
