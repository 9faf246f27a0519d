// The hunt job, independent of how it is carried: what is sent, when it is due, and what must arrive.
//
// The same job as ../shared/peerbench/src/job.cc does with brokers, every figure with the same meaning. No sockets here.
// Threads: a Feed belongs to its producer's thread, a Receiver to its gateway's; Phase and Ledger are shared by all.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "bench/clock.h"
#include "bench/histogram.h"
#include "bench/hunt/hunt_behaviour.h"

namespace carillon::bench {

enum class Mode { kMax, kRate, kCrash };

struct JobConfig {
  Mode mode = Mode::kMax;
  double events_per_s = 0;                    // Rate and crash mode, by all producers together.
  std::uint32_t notifications_per_event = 1;  // K.
  std::uint32_t producers = 4;
  std::uint32_t gateways = 4;  // Player p is connected through gateway p % gateways.
  std::uint32_t hubs = 64;
  std::uint32_t players = 10'000;
  std::uint32_t direct_players = 0;   // So many of the players, the last ones, belong to no hub: see `direct_player`.
  std::uint32_t in_flight_max = 512;  // Max mode: events per producer that are sent and not fully delivered.
  std::uint32_t unconfirmed_max = 8'192;  // Other modes: events per producer that are sent and not confirmed.

  std::uint32_t audience() const { return (players - direct_players) / hubs; }
  // With direct players and K = 1, every fourth event goes straight to a player's stream instead of a hub: to whom.
  std::optional<std::uint32_t> direct_player(std::uint64_t id) const;
};

// When the run measures and when it is over. Written by the conductor only.
struct Phase {
  std::atomic<std::int64_t> start_ns{0};          // The first event is due.
  std::atomic<std::int64_t> measure_from_ns{0};   // The warm-up ends.
  std::atomic<std::int64_t> measure_until_ns{0};  // From here on nothing is due.
  std::atomic<bool> over{false};                  // Everybody leaves.

  bool measures(std::int64_t at_ns) const {
    return at_ns >= measure_from_ns.load(std::memory_order_relaxed) &&
           at_ns < measure_until_ns.load(std::memory_order_relaxed);
  }
};

// Who an event is from, by its id: producer << 40 | sequence, sequences from 0.
struct DigId {
  std::uint32_t producer = 0;
  std::uint64_t sequence = 0;

  static constexpr int kSequenceBits = 40;
  static DigId of(std::uint64_t id) {
    return {static_cast<std::uint32_t>(id >> kSequenceBits), id & ((std::uint64_t{1} << kSequenceBits) - 1)};
  }
  std::uint64_t number() const { return std::uint64_t{producer} << kSequenceBits | sequence; }
};

// A time in which a player heard nothing.
struct Silence {
  std::uint32_t player = 0;
  std::int64_t from_ns = 0, until_ns = 0;
};
// The longest of those that end in [from, until) or outlast it; 0 when there is none.
std::int64_t longest_of(const std::vector<Silence>& silences, std::int64_t from_ns, std::int64_t until_ns);

// Counts every event and every notification by its id. Memory is touched only as far as sequences get.
class Ledger {
 public:
  static constexpr std::uint64_t kSequencesMax = 16'000'000;  // Per producer.

  explicit Ledger(const JobConfig& config);

  // Called by the producer's thread.
  void sent(std::uint32_t producer) { add(counters_[producer].sent); }
  void confirmed(std::uint32_t producer, std::uint64_t sequence, bool measured);
  // Events sent and not fully delivered.
  std::uint64_t in_flight(std::uint32_t producer) const;

  enum class Arrival { kFirst, kRepeated, kUnknown };
  // Called by gateway threads.
  Arrival received(DigId id, std::uint32_t index);

  struct Totals {
    std::uint64_t sent = 0, confirmed = 0, confirmed_measured = 0, delivered = 0, duplicated = 0;
    bool operator==(const Totals&) const = default;
  };
  Totals totals() const;
  // Whether a producer has sent all that are counted, and therefore sends no more.
  bool is_full() const;
  // Notifications of confirmed events that never arrived.
  std::uint64_t missing() const;

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct alignas(64) Counters {
    Counter sent{0}, confirmed{0}, confirmed_measured{0};  // Of the producer's thread.
    alignas(64) Counter delivered{0}, duplicated{0};       // Of gateway threads.
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  using Marks = std::unique_ptr<std::atomic<std::uint8_t>[], Free>;

  static void add(Counter& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
  static Marks marks(std::uint64_t count);

  std::uint32_t per_event_;
  std::vector<Counters> counters_;
  std::vector<Marks> confirmed_;  // [producer][sequence]
  std::vector<Marks> arrivals_;   // [producer][sequence * K + index]
};

// The events of one producer, as they fall due. Resending is the publisher's business.
class Feed {
 public:
  Feed(const JobConfig& config, const Phase& phase, Ledger& ledger, std::uint32_t producer);

  // The next event to send now, or nothing; `unconfirmed` of them wait for their confirmation.
  std::optional<Dig> next(std::int64_t now, std::uint64_t unconfirmed);
  // When next() is worth another call, in the bench's grain of 200 µs: waking for each event would cost more than it shows.
  std::int64_t next_call_ns(std::int64_t now) const;
  // Nothing more will fall due.
  bool over(std::int64_t now) const;

 private:
  std::int64_t due_ns() const;

  const JobConfig& config_;
  const Phase& phase_;
  Ledger& ledger_;
  std::uint32_t producer_;
  double interval_ns_;  // Not in max mode.
  std::uint64_t next_sequence_ = 0;
};

// What one gateway gets, on behalf of its players.
class Receiver {
 public:
  Receiver(const JobConfig& config, const Phase& phase, Ledger& ledger);

  void receive(const Find& find);

  const Histogram& latencies() const { return latencies_; }
  std::uint64_t received_measured() const { return received_measured_; }
  // First arrivals behind a later event of the same producer and hub, at the same player.
  std::uint64_t out_of_order() const { return out_of_order_; }
  std::int64_t longest_silence_ns() const { return longest_silence_ns_; }
  // Every time in which one player heard nothing for at least kSilenceNs.
  const std::vector<Silence>& silences() const { return silences_; }
  static constexpr std::int64_t kSilenceNs = 25 * kMillisecond;
  // Notifications that nobody sent.
  std::uint64_t unknown() const { return unknown_; }

 private:
  const JobConfig& config_;
  const Phase& phase_;
  Ledger& ledger_;
  Histogram latencies_;
  std::uint64_t received_measured_ = 0, out_of_order_ = 0, unknown_ = 0;
  std::int64_t last_arrival_ns_ = 0, longest_silence_ns_ = 0;
  std::vector<std::int64_t> last_heard_ns_;  // [player / gateways]
  std::vector<Silence> silences_;
  std::vector<std::uint64_t> newest_;  // [player / gateways][producer]: highest sequence + 1.
};

}  // namespace carillon::bench
