#include "clients/cpp/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "clients/cpp/follower.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"
#include "tests/clients/fake_gateway.h"

namespace carillon::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A fake node and clients on one event loop.
class Clients : public testing::Test {
 protected:
  Clients() : gateway_(session_.io(), store_) { gateway_.start(); }
  ~Clients() noexcept override {}  // KJ's may throw, a test's may not.

  // Runs the event loop until `condition` holds; fails after 10 s.
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(10);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "waited in vain";
      session_.wait(session_.timer().afterDelay(1 * kj::MILLISECONDS));
    }
  }
  std::vector<Sequence> stored(const std::string& entity) {
    std::vector<Sequence> sequences;
    for (const FakeEvent& event : store_.mailboxes[entity]) sequences.push_back(event.sequence);
    return sequences;
  }
  Publisher::Options publisher_options() {
    return {.addresses = gateway_.address(), .producer = "tester", .reconnect = {milliseconds(2), milliseconds(10)}};
  }
  static Publisher::Callbacks noting_refusals(std::vector<std::pair<Sequence, ErrorCode>>& refused) {
    Publisher::Callbacks callbacks;
    callbacks.refused = [&](Sequence sequence, const Error& error) { refused.emplace_back(sequence, error.code); };
    return callbacks;
  }
  Follower::Options follower_options() {
    return {.addresses = gateway_.address(), .reconnect = {milliseconds(2), milliseconds(10)}};
  }

  Session session_;
  FakeStore store_;
  FakeGateway gateway_;
};

// --- Connection and session

TEST_F(Clients, PublishesAndReadsAPage) {
  ASSERT_TRUE(session_.connect(gateway_.address()).ok());
  const std::vector<Publication> batch = {{"match/1", "began", R"({"map":"q3dm17"})", 1},
                                          {"match/1", "ended", "{}", 2}};
  const auto published = session_.publish("me", batch);
  ASSERT_TRUE(published.ok()) << to_string(published.error());
  EXPECT_EQ((*published).getAccepted(), 2u);
  const auto page = session_.read("match/1", 1, 10);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ((*page).getEvents().size(), 2u);
  EXPECT_EQ((*page).getEvents()[0].getType(), "began");
  EXPECT_EQ((*page).getEvents()[0].getPayload(), R"({"map":"q3dm17"})");
  EXPECT_EQ((*page).getLastOffset(), 2u);
}

TEST_F(Clients, ARefusalIsAnErrorWithItsCode) {
  ASSERT_TRUE(session_.connect(gateway_.address()).ok());
  const auto page = session_.read("match/1", 7, 10);
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().code, ErrorCode::BEYOND_END);
  EXPECT_EQ(page.error().first_offset, 1u);
  EXPECT_TRUE(session_.connected());
}

TEST_F(Clients, ARequestThatTheNodeDoesNotKnowIsAnError) {
  ASSERT_TRUE(session_.connect(gateway_.address()).ok());
  const auto answer = session_.inspect("match/1");  // The fake has none.
  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().message, HasSubstr("does not know"));
  EXPECT_TRUE(session_.stats().ok());
}

TEST_F(Clients, ALostConnectionIsAnErrorNotACrash) {
  ASSERT_TRUE(session_.connect(gateway_.address()).ok());
  gateway_.stop();
  const auto answer = session_.stats();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_FALSE(session_.connected());
  EXPECT_FALSE(session_.stats().ok());
  // And one can connect again.
  EXPECT_FALSE(session_.connect(gateway_.address()).ok());
  gateway_.start();
  ASSERT_TRUE(session_.connect(gateway_.address()).ok());
  EXPECT_TRUE(session_.stats().ok());
}

TEST_F(Clients, WhoCannotBeReachedIsNamed) {
  gateway_.stop();
  const auto refused = session_.connect(gateway_.address());
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr(gateway_.address().text()));
  const auto unknown = session_.connect(Address{"no-such-host.invalid", 1});
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message, HasSubstr("no-such-host.invalid"));
}

TEST_F(Clients, SomebodyElsesPortIsAnError) {
  // Given a server that answers in another language.
  auto address = session_.wait(session_.network().parseAddress("127.0.0.1", 0));
  auto receiver = address->listen();
  auto answering = receiver->accept()
                       .then([](kj::Own<kj::AsyncIoStream> stream) {
                         constexpr kj::StringPtr kText = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"_kj;
                         auto& there = *stream;
                         return there.write(kText.begin(), kText.size()).attach(kj::mv(stream));
                       })
                       .eagerlyEvaluate(nullptr);
  const auto connected = session_.connect(Address{"127.0.0.1", static_cast<std::uint16_t>(receiver->getPort())});
  EXPECT_FALSE(connected.ok());
}

TEST_F(Clients, AConnectionMayGoWhileCallsAreUnderWay) {
  auto connection =
      kj::mv(*session_.wait(Connection::connect(session_.network(), session_.timer(), gateway_.address())));
  auto first = connection->stats(), second = connection->stats();
  connection = nullptr;
  EXPECT_FALSE(session_.wait(kj::mv(first)).ok());
  EXPECT_FALSE(session_.wait(kj::mv(second)).ok());
}

// --- Publisher

TEST_F(Clients, P2APublisherPublishesEverythingOnceInOrderAndBatchesWhatIsQueued) {
  std::vector<Sequence> accepted;
  Publisher publisher(
      session_.network(), session_.timer(), publisher_options(),
      {.accepted = [&](std::span<const Sequence> some) { accepted.insert(accepted.end(), some.begin(), some.end()); },
       .refused = {},
       .disconnected = {},
       .connected = {}});
  std::vector<Sequence> sent;
  for (Sequence sequence = 1; sequence <= 20'000; ++sequence) {
    while (!publisher.offer({"match/1", "dig", "{}", sequence})) session_.wait(publisher.has_room());
    sent.push_back(sequence);
  }
  session_.wait(publisher.is_done());
  EXPECT_EQ(stored("match/1"), sent);
  EXPECT_EQ(accepted, sent);
  EXPECT_LT(store_.batches.size(), 2'000u);
  EXPECT_EQ(publisher.figures().duplicates, 0u);
}

TEST_F(Clients, P2AnAnswerThatIsLostDoublesNothing) {
  // Given a node that stores the second call and then hangs up.
  store_.calls_before_hang_up = 1;
  auto options = publisher_options();
  options.limits.batch_events_max = 10;
  options.limits.calls_in_flight_max = 3;
  Publisher publisher(session_.network(), session_.timer(), options, {});
  for (Sequence sequence = 1; sequence <= 100; ++sequence)
    ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", sequence}));
  session_.wait(publisher.is_done());
  EXPECT_THAT(stored("match/1"), SizeIs(100));
  EXPECT_TRUE(std::ranges::is_sorted(stored("match/1")));
  EXPECT_EQ(publisher.figures().connections, 2u);
  EXPECT_GE(publisher.figures().duplicates, 10u);
}

TEST_F(Clients, P3OverloadIsWaitedOutAndNothingOvertakes) {
  store_.overloaded_calls = 3;
  auto options = publisher_options();
  options.limits.batch_events_max = 10;
  Publisher publisher(session_.network(), session_.timer(), options, {});
  for (Sequence sequence = 1; sequence <= 100; ++sequence)
    ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", sequence}));
  session_.wait(publisher.is_done());
  EXPECT_THAT(stored("match/1"), SizeIs(100));
  EXPECT_TRUE(std::ranges::is_sorted(stored("match/1")));
  EXPECT_GE(publisher.figures().pauses, 1u);
}

TEST_F(Clients, WhatIsLargerThanAnyNodeTakesIsRefusedAndTheRestGoesOn) {
  std::vector<std::pair<Sequence, ErrorCode>> refused;
  Publisher publisher(session_.network(), session_.timer(), publisher_options(), noting_refusals(refused));
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 1}));
  ASSERT_TRUE(publisher.offer({"match/1", "dig", std::string(Publisher::kEventBytesMax, ' '), 2}));
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 3}));
  session_.wait(publisher.is_done());
  EXPECT_THAT(refused, ElementsAre(std::pair(Sequence{2}, ErrorCode::PAYLOAD_TOO_LARGE)));
  EXPECT_THAT(stored("match/1"), ElementsAre(1, 3));
}

TEST_F(Clients, WhatIsRefusedForGoodIsReportedAndTheRestGoesOn) {
  std::vector<std::pair<Sequence, ErrorCode>> refused;
  Publisher publisher(session_.network(), session_.timer(), publisher_options(), noting_refusals(refused));
  const std::string large(2'000, ' ');
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 1}));
  ASSERT_TRUE(publisher.offer({"match/1", "dig", large, 2}));
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 3}));
  session_.wait(publisher.is_done());
  EXPECT_THAT(refused, ElementsAre(std::pair(Sequence{2}, ErrorCode::PAYLOAD_TOO_LARGE)));
  EXPECT_THAT(stored("match/1"), ElementsAre(1, 3));
}

TEST_F(Clients, APublisherOutlivesTheNodesAbsence) {
  gateway_.stop();
  int complaints = 0;
  Publisher publisher(
      session_.network(), session_.timer(), publisher_options(),
      {.accepted = {}, .refused = {}, .disconnected = [&](const Error&) { ++complaints; }, .connected = {}});
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 1}));
  run_until([&] { return complaints > 2; });
  gateway_.start();
  session_.wait(publisher.is_done());
  // Again, while it is connected and idle.
  gateway_.stop();
  run_until([&] { return !publisher.connected(); });
  gateway_.start();
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 2}));
  session_.wait(publisher.is_done());
  EXPECT_THAT(stored("match/1"), ElementsAre(1, 2));
}

TEST_F(Clients, APublisherMayGoWhileCallsAreUnderWay) {
  {
    Publisher publisher(session_.network(), session_.timer(), publisher_options(), {});
    run_until([&] { return publisher.connected(); });
    ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 1}));
    session_.wait(kj::evalLast([] {}));
  }
  session_.wait(session_.timer().afterDelay(5 * kj::MILLISECONDS));
}

// --- Follower

struct Seen {
  std::vector<std::pair<std::size_t, Offset>> events;
  int following = 0;
  std::vector<std::string> disconnects;

  Follower::Callbacks callbacks() {
    return {.event = [this](std::size_t entity, Offset offset,
                            wire::StoredEvent::Reader) { events.emplace_back(entity, offset); },
            .ended = {},
            .following = [this] { ++following; },
            .disconnected = [this](const Error& error) { disconnects.push_back(error.message); }};
  }
};

TEST_F(Clients, P4AFollowerSeesEachEventOnceInOrderAcrossDisconnects) {
  // Given a stream with one event before and others that come later.
  Seen seen;
  gateway_.append("player/ada", {"note", "{}", 1});
  Follower follower(session_.network(), session_.timer(), follower_options(), {{"player/ada", 1}, {"player/bo", 1}},
                    seen.callbacks());
  run_until([&] { return seen.events.size() == 1 && seen.following == 1; });
  gateway_.append("player/bo", {"note", "{}", 2});
  gateway_.append("player/ada", {"note", "{}", 3});
  run_until([&] { return seen.events.size() == 3; });
  // When the node goes away, and more has come when it is back.
  gateway_.stop();
  gateway_.append("player/ada", {"note", "{}", 4});
  gateway_.start();
  run_until([&] { return seen.following == 2; });
  gateway_.append("player/ada", {"note", "{}", 5});
  run_until([&] { return seen.events.size() == 5; });
  // Then nothing is missing, nothing comes twice.
  using Event = std::pair<std::size_t, Offset>;
  EXPECT_THAT(seen.events, ElementsAre(Event(0, 1), Event(1, 1), Event(0, 2), Event(0, 3), Event(0, 4)));
  EXPECT_THAT(seen.disconnects, testing::Not(IsEmpty()));
  EXPECT_EQ(follower.next_offset(0), 5u);
}

TEST_F(Clients, AFollowerIsAskedWhereToContinueWhenItsOffsetIsGone) {
  for (int i = 1; i <= 5; ++i) gateway_.append("player/ada", {"note", "{}", static_cast<Sequence>(i)});
  store_.first_kept["player/ada"] = 4;
  Seen seen;
  auto callbacks = seen.callbacks();
  std::vector<ErrorCode> codes;
  callbacks.ended = [&](std::size_t, const Error& error) {
    codes.push_back(error.code);
    return std::optional(error.first_offset);
  };
  // One is behind retention, one beyond the end.
  Follower follower(session_.network(), session_.timer(), follower_options(), {{"player/ada", 1}, {"player/bo", 9}},
                    std::move(callbacks));
  run_until([&] { return seen.following == 1; });
  gateway_.append("player/bo", {"note", "{}", 1});
  run_until([&] { return seen.events.size() == 3; });
  using Event = std::pair<std::size_t, Offset>;
  EXPECT_THAT(seen.events, ElementsAre(Event(0, 4), Event(0, 5), Event(1, 1)));
  EXPECT_THAT(codes, ElementsAre(ErrorCode::TRUNCATED, ErrorCode::BEYOND_END));
}

TEST_F(Clients, AFollowerGivesUpWhatIsRefusedForGoodAndTriesAgainWhatIsNot) {
  gateway_.append("player/ada", {"note", "{}", 1});
  store_.unavailable_follows = 2;
  Seen seen;
  Follower follower(session_.network(), session_.timer(), follower_options(), {{"player/ada", 1}, {"player/bo", 9}},
                    seen.callbacks());
  run_until([&] { return seen.following == 1; });
  run_until([&] { return seen.events.size() == 1; });
  EXPECT_EQ(follower.given_up(), 1u);
  EXPECT_EQ(follower.connections(), 1u);
}

TEST_F(Clients, P7AFollowerLetsGoOfSubscriptionsThatFollowNothing) {
  // Given an entity that is unavailable for a while, so that it is asked for again and again,
  store_.unavailable_follows = 20;
  Seen seen;
  Follower follower(session_.network(), session_.timer(), follower_options(), {{"player/ada", 1}}, seen.callbacks());
  // when it can be followed at last,
  gateway_.append("player/ada", {"note", "{}", 1});
  run_until([&] { return seen.events.size() == 1; });
  // then the one subscription that brings something is held.
  run_until([&] { return gateway_.subscriptions_held() == 1; });
}

TEST_F(Clients, P4AHoleInTheOffsetsIsNoticedAndAskedForAgain) {
  for (int i = 1; i <= 5; ++i) gateway_.append("player/ada", {"note", "{}", static_cast<Sequence>(i)});
  store_.skip_offset = 3;
  Seen seen;
  Follower follower(session_.network(), session_.timer(), follower_options(), {{"player/ada", 3}}, seen.callbacks());
  run_until([&] { return seen.events.size() == 3; });
  EXPECT_THAT(seen.disconnects, ElementsAre(HasSubstr("skipped offset 3")));
  EXPECT_EQ(follower.connections(), 2u);
}

TEST_F(Clients, AFollowerMayGoWhileItFollows) {
  Seen seen;
  {
    Follower follower(session_.network(), session_.timer(), follower_options(), {{"player/ada", 1}}, seen.callbacks());
    run_until([&] { return seen.following == 1; });
    gateway_.append("player/ada", {"note", "{}", 1});  // Is under way when the follower goes.
  }
  session_.wait(session_.timer().afterDelay(5 * kj::MILLISECONDS));
  EXPECT_THAT(seen.events, IsEmpty());
}

// --- Several addresses

// Passes bytes on between clients and a gateway until it is frozen: then, as a stopped process or a cut cable, it keeps
// connections and takes new ones, and is silent.
class Relay {
 public:
  Relay(kj::AsyncIoContext& io, const Address& to)
      : to_(io.provider->getNetwork().parseAddress(to.host.c_str(), to.port).wait(io.waitScope)) {
    auto address = io.provider->getNetwork().parseAddress("127.0.0.1").wait(io.waitScope);
    receiver_ = address->listen();
    work_ = accept().eagerlyEvaluate(nullptr);
  }
  Address address() { return {"127.0.0.1", static_cast<std::uint16_t>(receiver_->getPort())}; }
  void freeze() {
    pumps_.clear();
    work_ = nullptr;
  }

 private:
  kj::Promise<void> accept() {
    return receiver_->accept().then([this](kj::Own<kj::AsyncIoStream> client) {
      return to_->connect().then([this, client = kj::mv(client)](kj::Own<kj::AsyncIoStream> server) mutable {
        kj::AsyncIoStream &near = *client, &far = *server;
        streams_.push_back(kj::mv(client));
        streams_.push_back(kj::mv(server));
        const auto pump = [](kj::AsyncIoStream& from, kj::AsyncIoStream& to) {
          return from.pumpTo(to)
              .then([&to](std::uint64_t) { to.shutdownWrite(); })
              .eagerlyEvaluate([](kj::Exception&&) {});
        };
        pumps_.push_back(pump(near, far));
        pumps_.push_back(pump(far, near));
        return accept();
      });
    });
  }

  kj::Own<kj::NetworkAddress> to_;
  kj::Own<kj::ConnectionReceiver> receiver_;
  std::vector<kj::Own<kj::AsyncIoStream>> streams_;
  std::vector<kj::Promise<void>> pumps_;
  kj::Promise<void> work_ = nullptr;
};

// Two gateways of one cluster: what one of them has stored, the other knows.
class SeveralAddresses : public Clients {
 protected:
  SeveralAddresses() : other_(session_.io(), store_) { other_.start(); }
  ~SeveralAddresses() noexcept override {}

  Publisher::Options publisher_options() {
    auto options = Clients::publisher_options();
    options.addresses = both();
    return options;
  }
  Addresses both() const { return Addresses({gateway_.address(), other_.address()}); }

  FakeGateway other_;
};

TEST_F(SeveralAddresses, P2APublisherGoesOnWithTheNextNodeAndCarriesOnWithWhatWasNotConfirmed) {
  // Given a node that stores a call, and is gone before it answers.
  store_.calls_before_hang_up = 1;
  Publisher publisher(session_.network(), session_.timer(), publisher_options(), {});
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 1}));
  session_.wait(publisher.is_done());
  for (Sequence sequence = 2; sequence <= 50; ++sequence)
    ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", sequence}));
  run_until([&] { return store_.batches.size() >= 2; });
  gateway_.stop();
  // When more is offered.
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 51}));
  session_.wait(publisher.is_done());
  // Then the other node has it all, once and in order.
  std::vector<Sequence> all(51);
  std::iota(all.begin(), all.end(), Sequence{1});
  EXPECT_EQ(stored("match/1"), all);
  EXPECT_EQ(publisher.figures().duplicates, 49u);
}

TEST_F(SeveralAddresses, P4AFollowerGoesOnWithTheNextNodeWithoutASeam) {
  Seen seen;
  auto options = follower_options();
  options.addresses = both();
  gateway_.append("player/ada", {"note", "{}", 1});
  Follower follower(session_.network(), session_.timer(), options, {{"player/ada", 1}}, seen.callbacks());
  run_until([&] { return seen.events.size() == 1; });
  gateway_.stop();
  other_.append("player/ada", {"note", "{}", 2});
  run_until([&] { return seen.events.size() == 2; });
  using Event = std::pair<std::size_t, Offset>;
  EXPECT_THAT(seen.events, ElementsAre(Event(0, 1), Event(0, 2)));
}

TEST_F(SeveralAddresses, ASilentNodeIsLeftThoughNothingClosesItsConnection) {
  // Given a publisher and a follower that are connected to a node, and the node is stopped.
  Relay relay(session_.io(), gateway_.address());
  const Addresses addresses({relay.address(), other_.address()});
  auto publishing = publisher_options();
  publishing.addresses = addresses;
  auto following = follower_options();
  following.addresses = addresses;
  Seen seen;
  Publisher publisher(session_.network(), session_.timer(), publishing, {});
  Follower follower(session_.network(), session_.timer(), following, {{"player/ada", 1}}, seen.callbacks());
  run_until([&] { return publisher.connected() && seen.following == 1; });
  relay.freeze();
  // When something is published and something arrives.
  ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", 1}));
  session_.wait(publisher.is_done());
  other_.append("player/ada", {"note", "{}", 1});
  run_until([&] { return seen.events.size() == 1; });
  // Then the other node has done it.
  EXPECT_THAT(stored("match/1"), ElementsAre(1));
  EXPECT_THAT(seen.disconnects, ElementsAre(HasSubstr("silent")));
  // And whoever begins with the stopped node comes to the other one too.
  ASSERT_TRUE(session_.connect(addresses).ok());
  EXPECT_STREQ(session_.stats()->getStats().getVersion().cStr(), "fake");
}

TEST_F(SeveralAddresses, ANodeThatStaysUnavailableIsLeft) {
  gateway_.cut_off();
  Seen seen;
  auto following = follower_options();
  following.addresses = both();
  Publisher publisher(session_.network(), session_.timer(), publisher_options(), {});
  Follower follower(session_.network(), session_.timer(), following, {{"player/ada", 1}}, seen.callbacks());
  ASSERT_TRUE(publisher.offer({"player/ada", "note", "{}", 1}));
  session_.wait(publisher.is_done());
  run_until([&] { return seen.events.size() == 1; });
  EXPECT_EQ(publisher.figures().connections, 2u);
  EXPECT_EQ(follower.connections(), 2u);
}

TEST_F(SeveralAddresses, ANodeThatSaysHowLongToWaitIsWaitedFor) {
  // Given a node that takes one of two events, and the other after more than the time for which one that gets nothing done is borne with.
  store_.overloaded_calls = 1;
  store_.overloaded_for_ms = 1'500;
  Publisher publisher(session_.network(), session_.timer(), publisher_options(), {});
  for (Sequence sequence = 1; sequence <= 2; ++sequence)
    ASSERT_TRUE(publisher.offer({"match/1", "dig", "{}", sequence}));
  session_.wait(publisher.is_done());
  // Then no other is asked meanwhile.
  EXPECT_THAT(stored("match/1"), ElementsAre(1, 2));
  EXPECT_EQ(publisher.figures().connections, 1u);
}

TEST_F(SeveralAddresses, ANodeThatGetsOnlySomeThingsDoneIsLeft) {
  // Given a node that cannot reach where the first event goes, and accepts all that comes after it.
  gateway_.cut_off_from("player/far");
  Publisher publisher(session_.network(), session_.timer(), publisher_options(), {});
  ASSERT_TRUE(publisher.offer({"player/far", "note", "{}", 1}));
  Sequence last = 1;
  const auto begun = session_.timer().now();
  const auto offer_now_and_then = [&] {
    if (session_.timer().now() - begun < last * 20 * kj::MILLISECONDS) return;
    EXPECT_TRUE(publisher.offer({"player/near", "note", "{}", ++last}));
  };
  run_until([&] {
    offer_now_and_then();
    return stored("player/far").size() == 1;
  });
  session_.wait(publisher.is_done());
  // Then the other node has it, after a moment.
  EXPECT_LT(session_.timer().now() - begun, 2 * kj::SECONDS);
  EXPECT_EQ(publisher.figures().connections, 2u);
  EXPECT_EQ(stored("player/near").size(), last - 1);
}

TEST_F(SeveralAddresses, OneShotCallsTryThemInTurn) {
  gateway_.stop();
  ASSERT_TRUE(session_.connect(both()).ok());
  EXPECT_STREQ(session_.stats()->getStats().getVersion().cStr(), "fake");
  other_.stop();
  const auto none = session_.connect(both());
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message, HasSubstr(other_.address().text()));
}

}  // namespace
}  // namespace carillon::client
