// What a client must not send, and what it is answered: a code from the closed list, nothing lost, others served.
#include <gmock/gmock.h>
#include <kj/exception.h>

#include "tests/support/eventually.h"
#include "tests/support/running_node.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;

class Refusal : public ::testing::Test {
 protected:
  void SetUp() override { node.publish_to_ledger(100); }
  void TearDown() override { node.expect_sound(); }

  // What one event is answered.
  ErrorCode refused(std::string_view entity, std::string_view payload = "{}", std::string_view type = "note") {
    const auto published = node.publish(entity, payload, type);
    EXPECT_FALSE(published.ok()) << entity << " was accepted";
    return published.ok() ? ErrorCode{} : published.error().code;
  }

  RunningNode node;
};

TEST_F(Refusal, UnknownKind) {
  EXPECT_EQ(refused("dragon/7"), ErrorCode::UNKNOWN_KIND);
  const auto page = node.session().read("dragon/7", 1, 10);
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().code, ErrorCode::UNKNOWN_KIND);
}

TEST_F(Refusal, UnknownType) { EXPECT_EQ(refused("match/1", "{}", "dance"), ErrorCode::UNKNOWN_TYPE); }

TEST_F(Refusal, EntityThatIsNoEntity) {
  using namespace std::literals;
  for (const auto entity :
       {"player/a\nb"sv, "player/\x01"sv, "player/a\0b"sv, "player/\x7f"sv, "player/\xc2\x85"sv, "player/"sv,
        "player"sv, ""sv, "Player/a"sv, "/a"sv, "player/\xff\xfe"sv, "player/\xc0\xaf"sv, "player/\xed\xa0\x80"sv})
    EXPECT_EQ(refused(entity), ErrorCode::MALFORMED) << ::testing::PrintToString(entity);
  EXPECT_EQ(refused("player/" + std::string(257, 'k')), ErrorCode::MALFORMED);
  EXPECT_EQ(refused(std::string(33, 'k') + "/a"), ErrorCode::MALFORMED);
  // The longest that is one.
  EXPECT_TRUE(node.publish("player/" + std::string(256, 'k'), "{}").ok());
}

TEST_F(Refusal, PayloadThatIsEmptyOrTooLarge) {
  EXPECT_EQ(refused("player/ada", ""), ErrorCode::MALFORMED);
  const auto payload_of = [](std::size_t bytes) { return "{\"a\":\"" + std::string(bytes - 8, 'x') + "\"}"; };
  EXPECT_TRUE(node.publish("player/ada", payload_of(64 * 1024)).ok());
  EXPECT_EQ(refused("player/ada", payload_of(64 * 1024 + 1)), ErrorCode::PAYLOAD_TOO_LARGE);
  EXPECT_EQ(refused("player/ada", payload_of(4 << 20)), ErrorCode::PAYLOAD_TOO_LARGE);
}

TEST_F(Refusal, PayloadThatIsNoJsonObject) {
  using namespace std::literals;
  for (const auto payload :
       {"x"sv, "[]"sv, "1"sv, "null"sv, "{"sv, "{}}"sv, "{}{}"sv, "{\"a\":}"sv, "{\"a\":1,}"sv, "{'a':1}"sv,
        "{\"a\":NaN}"sv, "{\"a\":01}"sv, "{\"a\":\"\x01\"}"sv, "{}\0"sv, "{\"a\":\"\\ud800\"}"sv, "{\"a\":1e999}"sv})
    EXPECT_EQ(refused("player/ada", payload), ErrorCode::MALFORMED) << ::testing::PrintToString(payload);
}

TEST_F(Refusal, PayloadThatIsNoUtf8) {
  for (const auto* bytes : {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
    EXPECT_EQ(refused("player/ada", "{\"a\":\"" + std::string(bytes) + "\"}"), ErrorCode::MALFORMED);
}

TEST_F(Refusal, PayloadNestedDeeply) {
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}";
  };
  EXPECT_TRUE(node.publish("player/ada", nested(59)).ok());
  EXPECT_EQ(refused("player/ada", nested(60)), ErrorCode::MALFORMED);
  EXPECT_EQ(refused("player/ada", nested(32'000)), ErrorCode::MALFORMED);
}

TEST_F(Refusal, ProducerThatIsNone) {
  const client::Publication event{"player/ada", "note", "{}", 1};
  for (const std::string& producer : {std::string(), std::string("a\nb"), std::string(257, 'p'), std::string("\xff")}) {
    const auto answer = node.session().publish(producer, {&event, 1});
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    ASSERT_EQ(answer->getRefusals().size(), 1u);
    EXPECT_EQ(answer->getRefusals()[0].getCode(), ErrorCode::MALFORMED);
  }
}

TEST_F(Refusal, P2SequenceZeroIsMalformedAndOneBehindTheWindowADuplicate) {
  const auto publish = [&](Sequence sequence) {
    const client::Publication event{"player/ada", "note", "{}", sequence};
    return node.session().publish("counter", {&event, 1});
  };
  auto zero = publish(0);
  ASSERT_TRUE(zero.ok());
  ASSERT_EQ(zero->getRefusals().size(), 1u);
  EXPECT_EQ(zero->getRefusals()[0].getCode(), ErrorCode::MALFORMED);

  ASSERT_EQ(publish(5'000)->getAccepted(), 1u);
  auto behind = publish(17);
  ASSERT_TRUE(behind.ok());
  EXPECT_EQ(behind->getRefusals().size(), 0u);
  EXPECT_EQ(behind->getDuplicates(), 1u);
  EXPECT_EQ(node.session().read("player/ada", 1, 10)->getLastOffset(), 1u);
}

TEST_F(Refusal, BatchAndPageBeyondTheirLimits) {
  const std::vector<client::Publication> batch(8'193, {"player/ada", "note", "{}", 1});
  const auto answer = node.session().publish("many", batch);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->getAccepted(), 0u);
  ASSERT_EQ(answer->getRefusals().size(), batch.size());
  for (const auto refusal : answer->getRefusals()) ASSERT_EQ(refusal.getCode(), ErrorCode::LIMIT_EXCEEDED);
  EXPECT_EQ(node.session().read("player/ledger", 1, 1'001).error().code, ErrorCode::LIMIT_EXCEEDED);
  EXPECT_EQ(node.session().read("player/ledger", 1, 0).error().code, ErrorCode::LIMIT_EXCEEDED);
}

// Goal: an answer is never much larger than the question.
TEST_F(Refusal, P7AbsurdBatchFailsAsAWhole) {
  const std::vector<client::Publication> batch(100'000, {"player/ada", "note", "{}", 1});
  const auto answer = node.session().publish("many", batch);
  ASSERT_FALSE(answer.ok());
  EXPECT_THAT(answer.error().message, ::testing::HasSubstr("a batch holds at most"));
  EXPECT_TRUE(node.publish("player/ada", "{}").ok());
}

TEST_F(Refusal, P4OffsetsBeyondTheEnd) {
  const auto zero = node.session().read("player/ledger", 0, 10);
  EXPECT_EQ(zero.error().code, ErrorCode::MALFORMED);
  for (const Offset from : {Offset{102}, ~Offset{0}}) {
    const auto beyond = node.session().read("player/ledger", from, 10);
    ASSERT_FALSE(beyond.ok());
    EXPECT_EQ(beyond.error().code, ErrorCode::BEYOND_END);
    EXPECT_EQ(beyond.error().first_offset, 101u);
  }
  EXPECT_EQ(node.session().read("player/ledger", 101, 10)->getEvents().size(), 0u);
}

// Goal: offsets that retention has taken are answered with the first one that is there, to readers and to followers.
TEST(Retention, P4OffsetsBehindItAreTruncated) {
  RunningNode node({.arguments = {"--retain", "player=8"}, .data_directory = {}});
  // Given a mailbox of nine, which is as many as eight may become; what was cut at the 40th went with the 41st.
  for (int i = 0; i < 41; ++i) ASSERT_TRUE(node.publish("player/ada", "{}").ok());
  const Offset first = 33;
  // When somebody reads or follows from further back, then the answer is where it begins.
  const auto page = node.session().read("player/ada", 1, 10);
  ASSERT_FALSE(page.ok());
  ASSERT_EQ(page.error().code, ErrorCode::TRUNCATED);
  EXPECT_EQ(page.error().first_offset, first);
  EXPECT_EQ(node.session().read("player/ada", first, 10)->getFirstOffset(), first);

  auto connection =
      node.session().wait(client::Connection::connect(node.session().network(), node.session().timer(), node.rpc()));
  ASSERT_TRUE(connection.ok());
  const client::Follow behind{"player/ada", 1};
  auto answer = node.session().wait((*connection)->subscribe({&behind, 1}, {[](auto) {}, [](auto) {}}));
  ASSERT_TRUE(answer.ok());
  ASSERT_EQ(answer->getRefusals().size(), 1u);
  EXPECT_EQ(answer->getRefusals()[0].getCode(), ErrorCode::TRUNCATED);
  EXPECT_EQ(answer->getRefusals()[0].getFirstOffset(), first);
}

TEST_F(Refusal, P4FollowsThatCannotBe) {
  auto connection =
      node.session().wait(client::Connection::connect(node.session().network(), node.session().timer(), node.rpc()));
  ASSERT_TRUE(connection.ok());
  const auto code_of = [&](std::string_view entity, Offset from) {
    const client::Follow follow{entity, from};
    auto answer = node.session().wait((*connection)->subscribe({&follow, 1}, {[](auto) {}, [](auto) {}}));
    EXPECT_TRUE(answer.ok() && !answer->hasSubscription()) << "nothing is to be held for what is not followed";
    return answer.ok() && answer->getRefusals().size() == 1 ? answer->getRefusals()[0].getCode() : ErrorCode{255};
  };
  EXPECT_EQ(code_of("player/ledger", 102), ErrorCode::BEYOND_END);
  EXPECT_EQ(code_of("player/ledger", 0), ErrorCode::MALFORMED);
  EXPECT_EQ(code_of("dragon/7", 1), ErrorCode::UNKNOWN_KIND);
  EXPECT_EQ(code_of("player/\n", 1), ErrorCode::MALFORMED);
}

TEST_F(Refusal, P4AClientThatFailsAtWhatItIsDeliveredIsNotLeftWaiting) {
  // Given a client that fails at what it is delivered,
  auto connection =
      node.session().wait(client::Connection::connect(node.session().network(), node.session().timer(), node.rpc()));
  ASSERT_TRUE(connection.ok());
  const client::Follow follow{"player/ada", 1};
  const auto answer = node.session().wait(
      (*connection)
          ->subscribe(
              {&follow, 1},
              {.deliver = [](auto) { kj::throwFatalException(KJ_EXCEPTION(FAILED, "this is too much for us")); },
               .ended = [](auto) {}}));
  ASSERT_TRUE(answer.ok() && answer->hasSubscription());
  // when there is something for it again and again, then its connection ends, so that it can follow anew.
  bool lost = false;
  const auto losing = (*connection)->lost().then([&] { lost = true; }).eagerlyEvaluate(nullptr);
  EXPECT_TRUE(eventually(10s, [&] {
    EXPECT_TRUE(node.publish("player/ada", "{}").ok());
    return lost;
  }));
}

TEST_F(Refusal, P7AConnectionFollowsNoMoreThanItMayInAllItsSubscriptions) {
  auto connection =
      node.session().wait(client::Connection::connect(node.session().network(), node.session().timer(), node.rpc()));
  ASSERT_TRUE(connection.ok());
  const auto subscribe = [&](std::size_t first, std::size_t count) {
    std::vector<std::string> players;
    for (std::size_t i = 0; i < count; ++i) players.push_back("player/" + std::to_string(first + i));
    std::vector<client::Follow> follows;
    for (const auto& player : players) follows.push_back({player, 1});
    return node.session().wait((*connection)->subscribe(follows, {[](auto) {}, [](auto) {}}));
  };
  const auto is_refused = [](const auto& answer) {
    return answer.ok() && !answer->hasSubscription() && answer->getRefusals().size() == 1 &&
           answer->getRefusals()[0].getCode() == ErrorCode::LIMIT_EXCEEDED;
  };
  // A list of nothing is no subscription,
  const auto nothing = subscribe(0, 0);
  EXPECT_TRUE(nothing.ok() && !nothing->hasSubscription() && nothing->getRefusals().size() == 0);
  // and of 100,000 follows a second subscription may have what the first one has left.
  {
    const auto most = subscribe(0, 60'000);
    ASSERT_TRUE(most.ok() && most->hasSubscription());
    EXPECT_TRUE(is_refused(subscribe(60'000, 40'001)));
    const auto rest = subscribe(60'000, 40'000);
    EXPECT_TRUE(rest.ok() && rest->hasSubscription());
    EXPECT_TRUE(is_refused(subscribe(0, 1)));
  }
  // When they are let go of, others can be followed.
  EXPECT_TRUE(eventually(10s, [&] {
    const auto others = subscribe(100'000, 60'000);
    return others.ok() && others->hasSubscription();
  }));
}

}  // namespace
}  // namespace carillon::testing
