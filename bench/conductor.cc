#include "bench/conductor.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <memory>
#include <thread>

#include "bench/interrupt.h"
#include "bench/ticker.h"
#include "clients/cpp/follower.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/session.h"

namespace carillon::bench {
namespace {

using client::Follower;
using client::Publisher;
using client::Session;

// The node comes back within a fraction of a second; to wait longer would be counted as its silence.
constexpr client::Backoff::Range kReconnect{.first = std::chrono::milliseconds(5),
                                            .longest = std::chrono::milliseconds(20)};
constexpr std::int64_t kConnectWithinNs = 30 * kSecond;
constexpr std::int64_t kStartAfterNs = 500 * kMillisecond;
constexpr std::int64_t kLookEveryNs = 5 * kMillisecond;  // Whether it is over.

std::string player_entity(std::uint32_t player) { return "player/p" + std::to_string(player); }

// What all threads share.
struct Stage final : Progress {
  explicit Stage(const Run& run_) : run(run_), ledger(run_.job) {}

  const Run& run;
  Phase phase;
  Ledger ledger;
  std::vector<std::string> hubs;  // Entities, by number.
  std::atomic<std::uint32_t> gateways_following{0};
  std::atomic<std::uint32_t> producers_at_work{0};
  std::atomic<std::uint64_t> connections{0}, disconnects{0}, resent{0}, refused{0}, pauses{0};

  std::uint64_t accepted() const override { return ledger.totals().confirmed; }
  std::uint64_t unanswered() const override { return pauses; }

  void lost(const char* who, const Error& error) {
    // After the end, or when everybody is told of it, it is no news.
    if (!phase.over && disconnects.fetch_add(1) == 0) std::fprintf(stderr, "%s: %s\n", who, error.message.c_str());
  }
};

class Producer {
 public:
  Producer(Session& session, Stage& stage, std::uint32_t number)
      : stage_(stage),
        number_(number),
        feed_(stage.run.job, stage.phase, stage.ledger, number),
        publisher_(session.network(), session.timer(),
                   {.addresses = stage.run.addresses.beginning_with(number),
                    .producer = "bench " + stage.run.run_name + " " + std::to_string(number),
                    .limits = {.queued_events_max = stage.run.job.unconfirmed_max},
                    .reconnect = kReconnect},
                   {.accepted = [this](std::span<const Sequence> accepted) { confirm(accepted); },
                    .refused =
                        [this](Sequence sequence, const Error& error) {
                          if (stage_.refused.fetch_add(1) == 0)
                            std::fprintf(stderr, "producer: event %llu was refused: %s\n",
                                         static_cast<unsigned long long>(sequence), to_string(error).c_str());
                        },
                    .disconnected = [this](const Error& error) { stage_.lost("producer", error); },
                    .connected = [this] { ++stage_.connections; }}) {}

  // Offers what is due now; gives when to call again.
  std::int64_t pump() {
    std::int64_t now = now_ns();
    if (finished_) return now + kSecond;
    const auto pauses = publisher_.figures().pauses;
    stage_.pauses += pauses - std::exchange(pauses_, pauses);
    while (const auto dig = feed_.next(now, publisher_.queued())) {
      const DigId id = DigId::of(dig->id);
      const auto direct = stage_.run.job.direct_player(dig->id);
      const std::string payload =
          direct ? encode_find({.id = dig->id, .at = dig->at, .index = 0, .player = *direct, .filler = {}})
                 : encode_dig(*dig);
      const bool taken = direct ? publisher_.offer({player_entity(*direct), Find::kType, payload, id.sequence + 1})
                                : publisher_.offer({stage_.hubs[dig->hub], Dig::kType, payload, id.sequence + 1});
      CHECK(taken);  // The queue holds as many as the feed leaves unconfirmed.
      now = now_ns();
    }
    if (!finished_ && feed_.over(now) && publisher_.done()) {
      finished_ = true;
      stage_.resent += publisher_.figures().duplicates;
      --stage_.producers_at_work;
    }
    return feed_.next_call_ns(now);
  }

 private:
  void confirm(std::span<const Sequence> accepted) {
    const bool measured = stage_.phase.measures(now_ns());
    for (const Sequence sequence : accepted) stage_.ledger.confirmed(number_, sequence - 1, measured);
  }

  Stage& stage_;
  std::uint32_t number_;
  Feed feed_;
  Publisher publisher_;
  std::uint64_t pauses_ = 0;  // That the stage knows of.
  bool finished_ = false;
};

class Gateway {
 public:
  Gateway(Session& session, Stage& stage, std::uint32_t number)
      : stage_(stage),
        receiver_(stage.run.job, stage.phase, stage.ledger),
        follower_(session.network(), session.timer(),
                  {.addresses = stage.run.addresses.beginning_with(number + 1), .reconnect = kReconnect},
                  starts(stage.run, number),
                  {.event = [this](std::size_t, Offset, wire::StoredEvent::Reader event) { receive(event); },
                   .ended = [this](std::size_t, const Error& error) -> std::optional<Offset> {
                     // That is how the end is found. Later it would mean that notifications are gone.
                     if (error.code == ErrorCode::BEYOND_END && stage_.run.from_end && !following_)
                       return error.first_offset;
                     std::fprintf(stderr, "gateway: a stream ended: %s\n", to_string(error).c_str());
                     return {};
                   },
                   .following =
                       [this] {
                         ++stage_.connections;
                         if (!std::exchange(following_, true)) ++stage_.gateways_following;
                       },
                   .disconnected = [this](const Error& error) { stage_.lost("gateway", error); }}) {}

  const Receiver& receiver() const { return receiver_; }
  std::size_t given_up() const { return follower_.given_up(); }

 private:
  static std::vector<Follower::Start> starts(const Run& run, std::uint32_t number) {
    std::vector<Follower::Start> starts;
    starts.reserve(run.job.players / run.job.gateways + 1);
    for (std::uint32_t player = number; player < run.job.players; player += run.job.gateways)
      starts.push_back({player_entity(player), run.from_end ? ~Offset{0} : 1});
    return starts;
  }
  void receive(wire::StoredEvent::Reader event) {
    const auto payload = event.getPayload();
    const auto find = decode_find({payload.begin(), payload.size()});
    if (find.ok()) receiver_.receive(*find);
  }

  Stage& stage_;
  Receiver receiver_;
  bool following_ = false;
  Follower follower_;
};

// The numbers below `count` that belong to thread `thread` of `threads`.
std::vector<std::uint32_t> share_of(std::uint32_t thread, std::uint32_t threads, std::uint32_t count) {
  std::vector<std::uint32_t> numbers;
  numbers.reserve(count / threads + 1);
  for (std::uint32_t number = thread; number < count; number += threads) numbers.push_back(number);
  return numbers;
}

void produce(Stage& stage, const std::vector<std::uint32_t>& numbers) {
  Session session;
  std::vector<std::unique_ptr<Producer>> producers;
  producers.reserve(numbers.size());
  for (const std::uint32_t number : numbers) producers.push_back(std::make_unique<Producer>(session, stage, number));
  Ticker ticker(session.io().unixEventPort);
  while (!stage.phase.over.load(std::memory_order_relaxed)) {
    std::int64_t next = now_ns() + kLookEveryNs;
    for (const auto& producer : producers) next = std::min(next, producer->pump());
    session.wait(ticker.until(next));
  }
}

struct Received {
  Histogram latencies;
  std::uint64_t measured = 0, out_of_order = 0, unknown = 0, given_up = 0;
  std::int64_t longest_silence_ns = 0;
  std::vector<Silence> silences;
};

void receive(Stage& stage, const std::vector<std::uint32_t>& numbers, Received& received) {
  Session session;
  std::vector<std::unique_ptr<Gateway>> gateways;
  gateways.reserve(numbers.size());
  for (const std::uint32_t number : numbers) gateways.push_back(std::make_unique<Gateway>(session, stage, number));
  while (!stage.phase.over.load(std::memory_order_relaxed))
    session.wait(session.timer().afterDelay(kLookEveryNs * kj::NANOSECONDS));
  for (const auto& gateway : gateways) {
    const Receiver& receiver = gateway->receiver();
    received.latencies.merge(receiver.latencies());
    received.measured += receiver.received_measured();
    received.out_of_order += receiver.out_of_order();
    received.unknown += receiver.unknown();
    received.given_up += gateway->given_up();
    received.silences.insert(received.silences.end(), receiver.silences().begin(), receiver.silences().end());
    received.longest_silence_ns = std::max(received.longest_silence_ns, receiver.longest_silence_ns());
  }
}

// Waits until all that fell due was sent and has arrived, or nothing has happened for a while.
Result<void> drain(Stage& stage) {
  auto last = stage.ledger.totals();
  std::int64_t quiet_since = now_ns();
  for (;;) {
    if (auto slept = sleep_until_ns(now_ns() + 100 * kMillisecond); !slept.ok()) return slept;
    if (stage.refused > 0) return {};  // A job that cannot be done; conduct() says so.
    const auto totals = stage.ledger.totals();
    if (totals != last) {
      last = totals;
      quiet_since = now_ns();
    } else if (stage.producers_at_work == 0 && stage.ledger.missing() == 0) {
      break;
    } else if (seconds_of(now_ns() - quiet_since) > stage.run.timing.quiet_s) {
      return Error{ErrorCode::UNAVAILABLE,
                   "nothing went on for " + std::to_string(static_cast<int>(stage.run.timing.quiet_s)) +
                       " s, and not all is done: " + std::to_string(totals.sent) + " sent, " +
                       std::to_string(totals.confirmed) + " confirmed, " + std::to_string(totals.delivered) +
                       " delivered, " + std::to_string(stage.ledger.missing()) + " of the confirmed missing"};
    }
  }
  return sleep_until_ns(now_ns() + kSecond);  // For repetitions that may still be under way.
}

// Everything between the first thread and the last.
Result<void> play(Stage& stage, std::vector<std::jthread>& threads, std::vector<Received>& received) {
  const Run& run = stage.run;
  for (std::uint32_t thread = 0; thread < run.gateway_threads; ++thread)
    threads.emplace_back(
        [&stage, &mine = received[thread], numbers = share_of(thread, run.gateway_threads, run.job.gateways)] {
          receive(stage, numbers, mine);
        });
  const std::int64_t give_up = now_ns() + kConnectWithinNs;
  while (stage.gateways_following < run.job.gateways) {
    if (now_ns() > give_up) return Error{ErrorCode::UNAVAILABLE, "the gateways could not connect and follow in time"};
    if (auto slept = sleep_until_ns(now_ns() + kMillisecond); !slept.ok()) return slept;
  }
  if (run.before)
    if (auto done = run.before(); !done.ok()) return done;

  Phase& phase = stage.phase;
  phase.start_ns = now_ns() + kStartAfterNs;
  phase.measure_from_ns = phase.start_ns + static_cast<std::int64_t>(run.timing.warmup_s * 1e9);
  const auto measured_ns = static_cast<std::int64_t>(run.timing.measured_s * 1e9);
  phase.measure_until_ns =
      run.throughout ? std::numeric_limits<std::int64_t>::max() : phase.measure_from_ns + measured_ns;
  stage.producers_at_work = run.job.producers;
  for (std::uint32_t thread = 0; thread < run.producer_threads; ++thread)
    threads.emplace_back(
        [&stage, numbers = share_of(thread, run.producer_threads, run.job.producers)] { produce(stage, numbers); });

  if (run.throughout) {
    if (auto slept = sleep_until_ns(phase.measure_from_ns); !slept.ok()) return slept;
    auto done = run.throughout(stage);
    phase.measure_until_ns = now_ns();
    if (!done.ok()) return done;
  }
  if (run.in_the_middle) {
    const std::int64_t middle = phase.measure_from_ns + static_cast<std::int64_t>(run.timing.measured_s * 5e8);
    if (auto slept = sleep_until_ns(middle); !slept.ok()) return slept;
    if (auto done = run.in_the_middle(); !done.ok()) return done;
  }
  if (auto slept = sleep_until_ns(phase.measure_until_ns); !slept.ok()) return slept;
  return drain(stage);
}

}  // namespace

Result<Outcome> conduct(const Run& run) {
  const auto stage = std::make_unique<Stage>(run);
  for (std::uint32_t hub = 0; hub < run.job.hubs; ++hub) stage->hubs.push_back("hunt/" + std::to_string(hub));
  std::vector<Received> received(run.gateway_threads);
  std::vector<std::jthread> threads;
  const auto played = play(*stage, threads, received);
  stage->phase.over = true;
  threads.clear();  // Joins.
  if (!played.ok()) return played.error();
  if (run.job.mode != Mode::kCrash && stage->disconnects > 0)
    return Error{ErrorCode::UNAVAILABLE, "connections were lost although nobody crashed"};
  if (stage->refused > 0)
    return Error{ErrorCode::MALFORMED, std::to_string(stage->refused) + " events were refused for good"};

  if (stage->ledger.is_full())
    return Error{ErrorCode::MALFORMED, "a producer has sent the " + std::to_string(Ledger::kSequencesMax) +
                                           " events that are counted before the time was over; take more producers"};

  Received all;
  for (const Received& some : received) {
    all.silences.insert(all.silences.end(), some.silences.begin(), some.silences.end());
    all.latencies.merge(some.latencies);
    all.measured += some.measured;
    all.out_of_order += some.out_of_order;
    all.unknown += some.unknown;
    all.given_up += some.given_up;
    all.longest_silence_ns = std::max(all.longest_silence_ns, some.longest_silence_ns);
  }
  if (all.unknown > 0 || all.given_up > 0)
    return Error{ErrorCode::UNAVAILABLE, std::to_string(all.unknown) + " notifications arrived that nobody sent, " +
                                             std::to_string(all.given_up) + " streams ended"};
  const auto totals = stage->ledger.totals();
  const double measured_s =
      run.throughout ? seconds_of(stage->phase.measure_until_ns - stage->phase.measure_from_ns) : run.timing.measured_s;
  Row row;
  row.rate = run.job.events_per_s;
  row.notifications_per_event = run.job.notifications_per_event;
  row.events_per_s = static_cast<double>(totals.confirmed_measured) / measured_s;
  row.notifications_per_s = static_cast<double>(all.measured) / measured_s;
  row.take_latencies(all.latencies);
  row.lost = stage->ledger.missing();
  row.duplicated = totals.duplicated;
  row.out_of_order = all.out_of_order;
  row.longest_silence_ms = milliseconds_of(all.longest_silence_ns);
  row.duration_s = measured_s;
  row.producers = run.job.producers;
  row.hubs = run.job.hubs;
  row.players = run.job.players;
  return Outcome{std::move(row),   stage->resent,    stage->connections,
                 totals.confirmed, totals.delivered, std::move(all.silences)};
}

}  // namespace carillon::bench
