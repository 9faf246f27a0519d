#include "clients/cpp/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "clients/cpp/address.h"
#include "clients/cpp/attempts.h"
#include "clients/cpp/backoff.h"

namespace carillon::client {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

void offer(Outbox& outbox, std::initializer_list<Sequence> sequences) {
  for (const Sequence sequence : sequences) ASSERT_TRUE(outbox.offer({"hub/1", "dig", "{}", sequence}));
}

std::vector<Sequence> sequences_of(const Outbox::Call& call) {
  std::vector<Sequence> sequences;
  for (const Publication& item : call.batch) sequences.push_back(item.sequence);
  return sequences;
}

Outbox::Refusal refusal(std::uint32_t index, ErrorCode code, milliseconds retry_after = milliseconds(0)) {
  return {index, {code, "no"}, retry_after};
}

TEST(Outbox, SendsWhatIsQueuedInOneCallAndSettlesItWithTheAnswer) {
  Outbox outbox({});
  ASSERT_TRUE(outbox.offer({"match/1", "ended", R"({"at":1})", 3}));
  ASSERT_TRUE(outbox.offer({"match/2", "began", "{}", 7}));  // Gaps are allowed.
  const auto call = outbox.next_call();
  ASSERT_EQ(call.batch.size(), 2u);
  EXPECT_EQ(call.batch[0].entity, "match/1");
  EXPECT_EQ(call.batch[0].type, "ended");
  EXPECT_EQ(call.batch[0].payload, R"({"at":1})");
  EXPECT_EQ(call.batch[1].sequence, 7u);
  EXPECT_EQ(outbox.next_call().id, 0u);  // Nothing is sent twice.
  const auto& outcome = outbox.answered(call.id, {});
  EXPECT_THAT(outcome.accepted, ElementsAre(3, 7));
  EXPECT_FALSE(outcome.pause);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, SendsTheTraceOfThoseThatHaveOneAlsoWhenTheyAreSentAgain) {
  // Given events with a trace, without, and with something that is none; the slots are used for the second time.
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  Outbox outbox({});
  for (Sequence sequence = 1; sequence <= 64; ++sequence)
    ASSERT_TRUE(outbox.offer({"hub/1", "dig", "{}", sequence, trace}));
  (void)outbox.answered(outbox.next_call().id, {});
  ASSERT_TRUE(outbox.empty());
  ASSERT_TRUE(outbox.offer({"match/1", "ended", R"({"at":1})", 70, trace}));
  ASSERT_TRUE(outbox.offer({"match/2", "began", R"({"at":2})", 71}));
  ASSERT_TRUE(outbox.offer({"match/3", "began", R"({"at":3})", 72, std::string(100'000, '0')}));
  // When they are sent, and sent again after the connection was lost.
  for (int time = 0; time < 2; ++time) {
    const auto call = outbox.next_call();
    // Then each has its own.
    ASSERT_EQ(call.batch.size(), 3u);
    EXPECT_EQ(call.batch[0].traceparent, trace);
    EXPECT_EQ(call.batch[0].payload, R"({"at":1})");
    EXPECT_EQ(call.batch[1].traceparent, "");
    EXPECT_EQ(call.batch[1].payload, R"({"at":2})");
    EXPECT_EQ(call.batch[2].traceparent, "");
    EXPECT_EQ(call.batch[2].payload, R"({"at":3})");
    outbox.disconnected();
  }
}

TEST(Outbox, SeveralCallsAreInFlightAndMayBeAnsweredInAnyOrder) {
  Outbox outbox({.calls_in_flight_max = 2});
  offer(outbox, {1, 2});
  const auto first = outbox.next_call().id;
  offer(outbox, {3});
  const auto second = outbox.next_call().id;
  offer(outbox, {4});
  EXPECT_EQ(outbox.next_call().id, 0u);  // Two are under way.
  EXPECT_THAT(outbox.answered(second, {}).accepted, ElementsAre(3));
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(4));
  EXPECT_THAT(outbox.answered(first, {}).accepted, ElementsAre(1, 2));
  EXPECT_EQ(outbox.queued(), 1u);
}

TEST(Outbox, P2TheSpanOfWhatIsUnacknowledgedStaysWithinTheWindow) {
  Outbox outbox({});
  // Given 1, the last sequence that may be with it, and the first that may not.
  offer(outbox, {1, Outbox::kSpan, Outbox::kSpan + 1});
  const auto call = outbox.next_call();
  EXPECT_THAT(sequences_of(call), ElementsAre(1, Outbox::kSpan));
  EXPECT_FALSE(outbox.may_send());
  // When 1 is acknowledged, then the window moves on.
  outbox.answered(call.id, {});
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(Outbox::kSpan + 1));
}

TEST(Outbox, P3AfterARefusalForLoadItBeginsAgainAtTheRefusedEventAndNothingOvertakes) {
  Outbox outbox({});
  // Given two calls in flight.
  offer(outbox, {1, 2, 3});
  const auto first = outbox.next_call().id;
  offer(outbox, {4, 5});
  const auto second = outbox.next_call().id;
  offer(outbox, {6});
  // When the first is refused from 2 on.
  const auto& outcome = outbox.answered(first, {refusal(2, ErrorCode::OVERLOADED, milliseconds(20)),
                                                refusal(1, ErrorCode::OVERLOADED, milliseconds(30))});
  EXPECT_THAT(outcome.accepted, ElementsAre(1));
  // Then it waits for the other call's answer before it pauses, and sends nothing meanwhile.
  EXPECT_FALSE(outcome.pause);
  EXPECT_FALSE(outbox.may_send());
  const auto& drained = outbox.answered(second, {refusal(0, ErrorCode::OVERLOADED), refusal(1, ErrorCode::OVERLOADED)});
  EXPECT_EQ(drained.pause, milliseconds(30));
  EXPECT_FALSE(outbox.may_send());
  outbox.resume();
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(2, 3, 4, 5, 6));
}

TEST(Outbox, WhatWasAcceptedBehindARefusedEventIsNotSentAgain) {
  Outbox outbox({.batch_events_max = 2});
  offer(outbox, {1, 2, 3, 4, 5});
  const auto first = outbox.next_call().id;
  const auto second = outbox.next_call().id;
  outbox.answered(second, {});  // Another partition took 3 and 4.
  outbox.answered(first, {refusal(0, ErrorCode::UNAVAILABLE), refusal(1, ErrorCode::UNAVAILABLE)});
  outbox.resume();
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(1, 2));
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(5));
}

TEST(Outbox, WhatIsRefusedForGoodIsReportedAndSkipped) {
  for (const auto code :
       {ErrorCode::MALFORMED, ErrorCode::UNKNOWN_KIND, ErrorCode::UNKNOWN_TYPE, ErrorCode::PAYLOAD_TOO_LARGE}) {
    Outbox outbox({});
    offer(outbox, {1, 2, 3});
    const auto& outcome = outbox.answered(outbox.next_call().id, {refusal(1, code)});
    EXPECT_THAT(outcome.accepted, ElementsAre(1, 3));
    ASSERT_EQ(outcome.refused.size(), 1u);
    EXPECT_EQ(outcome.refused[0].sequence, 2u);
    EXPECT_EQ(outcome.refused[0].error.code, code);
    EXPECT_FALSE(outcome.pause);
    EXPECT_TRUE(outbox.empty());
  }
}

TEST(Outbox, P2AfterALostConnectionEverythingUnacknowledgedIsSentAgainInOrder) {
  Outbox outbox({.batch_events_max = 2});
  offer(outbox, {1, 2, 3, 4, 5});
  const auto first = outbox.next_call().id;
  outbox.next_call();
  // Given one answer, and a refusal that was being waited out.
  outbox.answered(first, {refusal(1, ErrorCode::OVERLOADED)});
  // When the connection is lost.
  outbox.disconnected();
  EXPECT_EQ(outbox.calls_in_flight(), 0u);
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(2, 3));
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(4, 5));
}

TEST(Outbox, ACallThatFailsAsAWholeIsSentAgainAfterAPause) {
  Outbox outbox({});
  offer(outbox, {1, 2});
  const auto& outcome = outbox.failed(outbox.next_call().id);
  EXPECT_THAT(outcome.accepted, IsEmpty());
  EXPECT_TRUE(outcome.pause);
  outbox.resume();
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(1, 2));
}

TEST(Outbox, BatchesShrinkWhenTheNodeSaysThatTheyAreTooLarge) {
  Outbox outbox({});
  offer(outbox, {1, 2, 3, 4});
  std::vector<Outbox::Refusal> refusals;
  for (std::uint32_t i = 0; i < 4; ++i) refusals.push_back(refusal(i, ErrorCode::LIMIT_EXCEEDED));
  EXPECT_THAT(outbox.answered(outbox.next_call().id, refusals).refused, IsEmpty());
  outbox.resume();
  EXPECT_THAT(sequences_of(outbox.next_call()), ElementsAre(1, 2));
}

TEST(Outbox, P7TheQueueIsBoundedInEventsAndBytes) {
  Outbox few({.queued_events_max = 2});
  offer(few, {1, 2});
  EXPECT_FALSE(few.offer({"hub/1", "dig", "{}", 3}));
  few.answered(few.next_call().id, {});
  EXPECT_TRUE(few.offer({"hub/1", "dig", "{}", 3}));

  Outbox small({.queued_bytes_max = 100});
  const std::string payload(80, ' ');
  EXPECT_TRUE(small.offer({"hub/1", "dig", payload, 1}));
  EXPECT_FALSE(small.offer({"hub/1", "dig", payload, 2}));
  small.answered(small.next_call().id, {});
  EXPECT_TRUE(small.offer({"hub/1", "dig", std::string(1'000, ' '), 2}));  // Alone, whatever its size.
}

TEST(Outbox, BatchesAreBoundedInBytes) {
  Outbox outbox({.batch_bytes_max = 100});
  const std::string payload(60, ' ');
  for (const Sequence sequence : {1, 2}) ASSERT_TRUE(outbox.offer({"hub/1", "dig", payload, sequence}));
  EXPECT_EQ(outbox.next_call().batch.size(), 1u);
}

// Goal: whatever a node answers, every event is accepted by it once, in the order sent, within the window (P2, P3).
// Method: a model of a partition behind connections that break, with load refusals as DESIGN section 3 has them.
TEST(Outbox, P2P3EveryEventIsAcceptedOnceAndInOrderWhateverHappens) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 dice(seed);
    const auto one_in = [&](unsigned n) { return dice() % n == 0; };
    Outbox outbox(
        {.queued_events_max = 3'000, .batch_events_max = 1 + dice() % 40, .calls_in_flight_max = 1 + dice() % 5});
    struct InFlight {
      CallId id;
      std::vector<Outbox::Refusal> refusals;
    };
    std::vector<InFlight> answers;  // The node has handled the call, the client has not seen the answer.
    std::vector<Sequence> stored;   // In the order in which the node took them.
    std::set<Sequence> known;
    Sequence first_refused = 0, highest = 0, offered = 0;
    bool paused = false;
    std::set<Sequence> acknowledged;

    for (int step = 0; step < 4'000 && (acknowledged.size() < 2'000 || !outbox.empty()); ++step) {
      while (offered < 6'000 && acknowledged.size() + outbox.queued() < 2'500 && !one_in(5)) {
        const Sequence next = offered + 1 + (one_in(3) ? dice() % 3 : 0);
        if (!outbox.offer({"hub/1", "dig", "{}", next})) break;
        offered = next;
      }
      if (const auto call = outbox.next_call(); call.id != 0) {
        InFlight handled{call.id, {}};
        for (std::uint32_t i = 0; i < call.batch.size(); ++i) {
          const Sequence sequence = call.batch[i].sequence;
          ASSERT_TRUE(highest < Outbox::kSpan ||
                      sequence > highest - Outbox::kSpan);  // Else the window would be in doubt.
          const bool known_already = known.contains(sequence);
          if (first_refused == sequence) first_refused = 0;
          if (first_refused != 0 || (!known_already && one_in(60))) {
            if (first_refused == 0) first_refused = sequence;
            handled.refusals.push_back(refusal(i, ErrorCode::OVERLOADED, milliseconds(1)));
          } else if (!known_already) {
            known.insert(sequence);
            stored.push_back(sequence);
            highest = std::max(highest, sequence);
          }
        }
        answers.push_back(std::move(handled));
      }
      if (!answers.empty() && one_in(2)) {
        const auto chosen = answers.begin() + static_cast<std::ptrdiff_t>(dice() % answers.size());
        const auto& outcome = outbox.answered(chosen->id, chosen->refusals);
        acknowledged.insert(outcome.accepted.begin(), outcome.accepted.end());
        paused = outcome.pause.has_value();
        answers.erase(chosen);
      }
      if (paused && one_in(2)) outbox.resume(), paused = false;
      if (one_in(80)) {
        outbox.disconnected();
        answers.clear();
        first_refused = 0;  // A new connection.
        paused = false;
      }
    }
    EXPECT_GT(stored.size(), 1'000u);
    EXPECT_TRUE(std::ranges::is_sorted(stored));
    EXPECT_EQ(std::ranges::adjacent_find(stored), stored.end());
    for (const Sequence sequence : acknowledged) ASSERT_TRUE(known.contains(sequence));
  }
}

TEST(Address, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(*Address::parse("127.0.0.1:7411"), (Address{"127.0.0.1", 7411}));
  EXPECT_EQ(*Address::parse("node-1.example:1"), (Address{"node-1.example", 1}));
  EXPECT_EQ(*Address::parse("[::1]:65535"), (Address{"::1", 65535}));
  EXPECT_EQ(Address::parse("[::1]:65535")->text(), "[::1]:65535");
}

TEST(Address, WhatIsWrongIsSaid) {
  for (const auto& [text, word] :
       std::initializer_list<std::pair<const char*, const char*>>{{"localhost", "colon"},
                                                                  {"::1:7411", "brackets"},
                                                                  {":7411", "host is missing"},
                                                                  {"[]:7411", "host is missing"},
                                                                  {"a b:1", "character"},
                                                                  {"host:", "port"},
                                                                  {"host:0", "port"},
                                                                  {"host:65536", "port"},
                                                                  {"host:7x", "port"}}) {
    const auto parsed = Address::parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::MALFORMED);
    EXPECT_THAT(parsed.error().message, testing::HasSubstr(word));
  }
}

TEST(Address, SeveralAreReadWithCommasInBetween) {
  const auto three = Addresses::parse("ant:1,[::1]:2,cat:3");
  ASSERT_TRUE(three.ok());
  EXPECT_THAT(three->all(), testing::ElementsAre(Address{"ant", 1}, Address{"::1", 2}, Address{"cat", 3}));
  EXPECT_EQ(three->text(), "ant:1,[::1]:2,cat:3");
  EXPECT_EQ(three->beginning_with(4).text(), "[::1]:2,cat:3,ant:1");
  for (const char* text : {"", ",", "ant:1,", ",ant:1", "ant:1,,cat:3", "ant:1;cat:3"})
    EXPECT_FALSE(Addresses::parse(text).ok()) << text;
}

TEST(Attempts, GoRoundTheAddressesAndPauseLongerOnlyAfterAWholeRound) {
  Attempts attempts(*Addresses::parse("ant:1,bee:2,cat:3"), {.first = milliseconds(8), .longest = milliseconds(64)}, 1);
  EXPECT_TRUE(attempts.has_others());
  const auto patience = attempts.patience();
  std::string hosts;
  std::vector<milliseconds> pauses;
  for (int failure = 1; failure <= 9; ++failure) {
    hosts += attempts.address().host + " ";
    pauses.push_back(attempts.failed());
  }
  EXPECT_EQ(hosts, "ant bee cat ant bee cat ant bee cat ");
  for (const int within_round : {0, 1, 3, 4, 6, 7}) EXPECT_LE(pauses[within_round], milliseconds(8)) << within_round;
  EXPECT_GE(pauses[8], milliseconds(16));
  EXPECT_GT(attempts.patience(), patience) << "wandering about makes slow nodes slower";
  attempts.succeeded();
  EXPECT_EQ(attempts.address().host, "ant") << "who has found a node stays there";
  EXPECT_LE(attempts.failed(), milliseconds(8));
  EXPECT_EQ(attempts.patience(), patience);
}

TEST(Backoff, WaitsLongerEachTimeUpToTheLongestAndNeverTheSameForAll) {
  std::set<std::int64_t> third;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Backoff backoff({.first = milliseconds(20), .longest = milliseconds(80)}, seed);
    for (const int step : {20, 40, 80, 80}) {
      const auto pause = backoff.next();
      EXPECT_GE(pause, milliseconds(step / 2));
      EXPECT_LE(pause, milliseconds(step));
      if (step == 80) third.insert(pause.count());
    }
    backoff.reset();
    EXPECT_LE(backoff.next(), milliseconds(20));
  }
  EXPECT_GT(third.size(), 5u);
}

}  // namespace
}  // namespace carillon::client
