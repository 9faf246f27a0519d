#include "bench/job.h"

#include <gtest/gtest.h>

#include <set>

namespace carillon::bench {
namespace {

constexpr std::int64_t kStart = 100 * kSecond;

void set_times(Phase& phase) {
  phase.start_ns = kStart;
  phase.measure_from_ns = kStart + kSecond;
  phase.measure_until_ns = kStart + 3 * kSecond;
}

TEST(Feed, EveryFourthEventGoesStraightToAPlayerOfNoHubIfThereAreAny) {
  const JobConfig job{.hubs = 4, .players = 12, .direct_players = 4};
  EXPECT_EQ(job.audience(), 2u);
  std::set<std::uint32_t> players;
  for (std::uint64_t sequence = 0; sequence < 400; ++sequence) {
    const auto player = job.direct_player(DigId{3, sequence}.number());
    ASSERT_EQ(player.has_value(), sequence % 4 == 0);
    if (player) players.insert(*player);
  }
  EXPECT_EQ(players, (std::set<std::uint32_t>{8, 9, 10, 11}));
  EXPECT_FALSE(JobConfig{}.direct_player(0));
}

TEST(Silence, BelongsToTheTimeInWhichItEndsOrThatItOutlasts) {
  const std::vector<Silence> silences = {{1, 100, 130}, {2, 110, 150}, {1, 190, 500}};
  EXPECT_EQ(longest_of(silences, 100, 140), 30);
  EXPECT_EQ(longest_of(silences, 140, 200), 40);
  EXPECT_EQ(longest_of(silences, 200, 300), 310);
  EXPECT_EQ(longest_of(silences, 600, 700), 0);
}

TEST(Receiver, NotesWhenOnePlayerHeardNothingWhileOthersDid) {
  const JobConfig job{.gateways = 1, .hubs = 2, .players = 2};
  Phase phase;
  phase.measure_from_ns = now_ns();
  Ledger ledger(job);
  Receiver receiver(job, phase, ledger);
  const auto receive = [&](std::uint32_t player, std::uint64_t sequence) {
    ledger.sent(0);
    receiver.receive({.id = DigId{0, sequence}.number(), .at = now_ns(), .index = 0, .player = player, .filler = {}});
  };
  receive(0, 0);
  receive(1, 1);
  const std::int64_t until = now_ns() + 2 * Receiver::kSilenceNs;
  std::uint64_t sequence = 2;
  while (now_ns() < until) receive(1, sequence++);
  receive(0, sequence);
  ASSERT_EQ(receiver.silences().size(), 1u);
  EXPECT_EQ(receiver.silences()[0].player, 0u);
  EXPECT_GE(receiver.silences()[0].until_ns - receiver.silences()[0].from_ns, Receiver::kSilenceNs);
}

TEST(Feed, InRateModeEventsFallDueEvenlyAndProducersTakeTurns) {
  // Given 4 producers that send 1,000 events a second together.
  const JobConfig job{.mode = Mode::kRate, .events_per_s = 1'000};
  Phase phase;
  set_times(phase);
  Ledger ledger(job);
  Feed feed(job, phase, ledger, 1);
  // Then producer 1's events are due at 1 ms, 5 ms, 9 ms …
  EXPECT_FALSE(feed.next(kStart, 0));
  EXPECT_EQ(feed.next_call_ns(kStart), kStart + kMillisecond);
  const auto first = feed.next(kStart + kMillisecond, 0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at, kStart + kMillisecond);
  EXPECT_EQ(DigId::of(first->id).producer, 1u);
  EXPECT_EQ(DigId::of(first->id).sequence, 0u);
  EXPECT_EQ(first->hub, mix(first->id) % 64);
  EXPECT_EQ(first->audience, 156u);
  EXPECT_FALSE(feed.next(kStart + kMillisecond, 1));
  // When the client comes late, then it sends all that fell due, and says when that was.
  for (int i = 1; i <= 2; ++i)
    EXPECT_EQ(feed.next(kStart + 10 * kMillisecond, 1)->at, kStart + (1 + 4 * i) * kMillisecond);
  EXPECT_FALSE(feed.next(kStart + 10 * kMillisecond, 3));
}

TEST(Feed, InRateModeNothingIsDueAtTheEndButAllBeforeItIsSentHoweverLate) {
  const JobConfig job{.mode = Mode::kRate, .events_per_s = 4};
  Phase phase;
  set_times(phase);
  Ledger ledger(job);
  Feed feed(job, phase, ledger, 0);  // Due at 0, 1 and 2 s.
  const std::int64_t late = kStart + 20 * kSecond;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(feed.over(late));
    EXPECT_TRUE(feed.next(late, 0));
  }
  EXPECT_FALSE(feed.next(late, 0));
  EXPECT_TRUE(feed.over(late));
}

TEST(Feed, P7InRateModeASlowNodeIsGivenNoMoreThanTheLimit) {
  const JobConfig job{.mode = Mode::kRate, .events_per_s = 1'000'000, .unconfirmed_max = 5};
  Phase phase;
  set_times(phase);
  Ledger ledger(job);
  Feed feed(job, phase, ledger, 0);
  EXPECT_TRUE(feed.next(kStart + kSecond, 4));
  EXPECT_FALSE(feed.next(kStart + kSecond, 5));
}

TEST(Feed, InMaxModeSoManyEventsAreUnderWayUntilAllTheirNotificationsArrived) {
  const JobConfig job{.mode = Mode::kMax, .notifications_per_event = 2, .in_flight_max = 3};
  Phase phase;
  set_times(phase);
  Ledger ledger(job);
  Feed feed(job, phase, ledger, 0);
  EXPECT_FALSE(feed.next(kStart - 1, 0));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(feed.next(kStart + 7, 0)->at, kStart + 7);
  EXPECT_FALSE(feed.next(kStart + 7, 0));
  ledger.received({0, 0}, 0);
  EXPECT_FALSE(feed.next(kStart + 7, 0));
  ledger.received({0, 0}, 1);
  EXPECT_TRUE(feed.next(kStart + 7, 0));
  EXPECT_FALSE(feed.over(kStart + 7));
  EXPECT_TRUE(feed.over(kStart + 3 * kSecond));
}

TEST(Ledger, IsFullWhenAProducerHasSentAllThatAreCounted) {
  const JobConfig job{.producers = 2};
  Ledger ledger(job);
  for (std::uint64_t i = 1; i < Ledger::kSequencesMax; ++i) ledger.sent(1);
  EXPECT_FALSE(ledger.is_full());
  ledger.sent(1);
  EXPECT_TRUE(ledger.is_full());
}

TEST(Ledger, CountsWhatIsLostAndWhatIsDoubled) {
  const JobConfig job{.notifications_per_event = 2};
  Ledger ledger(job);
  for (int i = 0; i < 3; ++i) ledger.sent(0);
  // Given event 0 delivered, event 1 in half and twice that, event 2 not confirmed.
  ledger.confirmed(0, 0, true);
  ledger.confirmed(0, 0, true);  // Again counts once.
  ledger.confirmed(0, 1, false);
  EXPECT_EQ(ledger.received({0, 0}, 0), Ledger::Arrival::kFirst);
  EXPECT_EQ(ledger.received({0, 0}, 1), Ledger::Arrival::kFirst);
  EXPECT_EQ(ledger.received({0, 1}, 1), Ledger::Arrival::kFirst);
  EXPECT_EQ(ledger.received({0, 1}, 1), Ledger::Arrival::kRepeated);
  // Then half of event 1 is missing.
  EXPECT_EQ(ledger.missing(), 1u);
  EXPECT_EQ(ledger.totals(),
            (Ledger::Totals{.sent = 3, .confirmed = 2, .confirmed_measured = 1, .delivered = 3, .duplicated = 1}));
  // And what nobody sent is known as such.
  EXPECT_EQ(ledger.received({0, 3}, 0), Ledger::Arrival::kUnknown);
  EXPECT_EQ(ledger.received({0, 0}, 2), Ledger::Arrival::kUnknown);
  EXPECT_EQ(ledger.received({9, 0}, 0), Ledger::Arrival::kUnknown);
}

TEST(Receiver, CountsOrderByProducerAndPlayer) {
  const JobConfig job{.mode = Mode::kRate, .events_per_s = 1'000};
  Phase phase;
  Ledger ledger(job);
  for (int i = 0; i < 10; ++i) ledger.sent(0), ledger.sent(1);
  Receiver receiver(job, phase, ledger);
  const auto receive = [&](std::uint32_t producer, std::uint64_t sequence, std::uint32_t player) {
    receiver.receive(
        {.id = DigId{producer, sequence}.number(), .at = now_ns(), .index = 0, .player = player, .filler = {}});
  };
  receive(0, 1, 4);
  receive(0, 5, 4);
  receive(0, 3, 8);  // Another player.
  receive(1, 2, 4);  // Another producer.
  EXPECT_EQ(receiver.out_of_order(), 0u);
  receive(0, 2, 4);
  EXPECT_EQ(receiver.out_of_order(), 1u);
  receive(0, 2, 4);  // A repetition is counted as such only.
  EXPECT_EQ(receiver.out_of_order(), 1u);
  EXPECT_EQ(ledger.totals().duplicated, 1u);
  receive(0, 99, 4);
  EXPECT_EQ(receiver.unknown(), 1u);
}

TEST(Receiver, LatencyCountsFromWhenTheEventWasDueAndOnlyAfterTheWarmUp) {
  const JobConfig job{.mode = Mode::kRate, .events_per_s = 1'000};
  Phase phase;
  phase.measure_from_ns = now_ns() - 10 * kSecond;
  phase.measure_until_ns = now_ns() + kSecond;
  Ledger ledger(job);
  for (int i = 0; i < 2; ++i) ledger.sent(0);
  Receiver receiver(job, phase, ledger);
  receiver.receive({.id = 0, .at = phase.measure_from_ns - 1, .index = 0, .player = 0, .filler = {}});
  EXPECT_EQ(receiver.latencies().count(), 0u);
  receiver.receive({.id = 1, .at = phase.measure_from_ns, .index = 0, .player = 0, .filler = {}});
  EXPECT_EQ(receiver.latencies().count(), 1u);
  EXPECT_GE(receiver.latencies().max_ms(), 10'000);
  EXPECT_EQ(receiver.received_measured(), 2u);
}

}  // namespace
}  // namespace carillon::bench
