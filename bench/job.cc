#include "bench/job.h"

#include <algorithm>
#include <utility>

namespace carillon::bench {
namespace {

constexpr std::int64_t kGrainNs = 200 * kMicrosecond;
constexpr std::int64_t kGrainMaxModeNs = 500 * kMicrosecond;
constexpr std::uint64_t kDirectEvery = 4;
constexpr std::int64_t kIdleNs = 10 * kMillisecond;

}  // namespace

Ledger::Marks Ledger::marks(std::uint64_t count) {
  // Zeroed by the kernel, page by page, as it is touched.
  void* memory = std::calloc(count, sizeof(std::atomic<std::uint8_t>));
  CHECK(memory != nullptr);
  return Marks(static_cast<std::atomic<std::uint8_t>*>(memory));
}

Ledger::Ledger(const JobConfig& config) : per_event_(config.notifications_per_event), counters_(config.producers) {
  for (std::uint32_t producer = 0; producer < config.producers; ++producer) {
    confirmed_.push_back(marks(kSequencesMax));
    arrivals_.push_back(marks(kSequencesMax * per_event_));
  }
}

void Ledger::confirmed(std::uint32_t producer, std::uint64_t sequence, bool measured) {
  auto& mark = confirmed_[producer][sequence];
  if (mark.load(std::memory_order_relaxed) != 0) return;
  mark.store(1, std::memory_order_relaxed);
  add(counters_[producer].confirmed);
  if (measured) add(counters_[producer].confirmed_measured);
}

bool Ledger::is_full() const {
  return std::ranges::any_of(counters_, [](const Counters& of) { return of.sent.load() >= kSequencesMax; });
}

std::uint64_t Ledger::in_flight(std::uint32_t producer) const {
  const Counters& counters = counters_[producer];
  const std::uint64_t sent = counters.sent.load(std::memory_order_relaxed);
  const std::uint64_t done = counters.delivered.load(std::memory_order_relaxed) / per_event_;
  return sent > done ? sent - done : 0;
}

Ledger::Arrival Ledger::received(DigId id, std::uint32_t index) {
  if (id.producer >= counters_.size() || id.sequence >= kSequencesMax || index >= per_event_) return Arrival::kUnknown;
  Counters& counters = counters_[id.producer];
  if (id.sequence >= counters.sent.load(std::memory_order_relaxed)) return Arrival::kUnknown;
  auto& mark = arrivals_[id.producer][id.sequence * per_event_ + index];
  if (mark.exchange(1, std::memory_order_relaxed) == 0) {
    add(counters.delivered);
    return Arrival::kFirst;
  }
  add(counters.duplicated);
  return Arrival::kRepeated;
}

Ledger::Totals Ledger::totals() const {
  Totals sum;
  for (const Counters& counters : counters_) {
    sum.sent += counters.sent;
    sum.confirmed += counters.confirmed;
    sum.confirmed_measured += counters.confirmed_measured;
    sum.delivered += counters.delivered;
    sum.duplicated += counters.duplicated;
  }
  return sum;
}

std::uint64_t Ledger::missing() const {
  std::uint64_t missing = 0;
  for (std::size_t producer = 0; producer < counters_.size(); ++producer) {
    const std::uint64_t sent = counters_[producer].sent;
    for (std::uint64_t sequence = 0; sequence < sent; ++sequence) {
      if (confirmed_[producer][sequence].load(std::memory_order_relaxed) == 0) continue;
      for (std::uint32_t index = 0; index < per_event_; ++index)
        if (arrivals_[producer][sequence * per_event_ + index].load(std::memory_order_relaxed) == 0) ++missing;
    }
  }
  return missing;
}

std::optional<std::uint32_t> JobConfig::direct_player(std::uint64_t id) const {
  if (direct_players == 0 || notifications_per_event != 1 || DigId::of(id).sequence % kDirectEvery != 0) return {};
  return hubs * audience() + static_cast<std::uint32_t>(mix(id) / hubs % direct_players);
}

std::int64_t longest_of(const std::vector<Silence>& silences, std::int64_t from_ns, std::int64_t until_ns) {
  std::int64_t longest = 0;
  for (const Silence& silence : silences)
    if (silence.until_ns >= from_ns && (silence.until_ns < until_ns || silence.from_ns <= from_ns))
      longest = std::max(longest, silence.until_ns - silence.from_ns);
  return longest;
}

Feed::Feed(const JobConfig& config, const Phase& phase, Ledger& ledger, std::uint32_t producer)
    : config_(config),
      phase_(phase),
      ledger_(ledger),
      producer_(producer),
      interval_ns_(config.events_per_s > 0 ? 1e9 * config.producers / config.events_per_s : 0) {}

std::optional<Dig> Feed::next(std::int64_t now, std::uint64_t unconfirmed) {
  std::int64_t at = now;
  if (config_.mode == Mode::kMax) {
    if (now < phase_.start_ns || over(now)) return {};
    if (ledger_.in_flight(producer_) >= config_.in_flight_max) return {};
  } else {
    // What fell due is sent, however late; else a slow node would be spared the events that it delayed most.
    at = due_ns();
    if (at > now || over(now) || unconfirmed >= config_.unconfirmed_max) return {};
  }
  const std::uint64_t id = DigId{producer_, next_sequence_++}.number();
  ledger_.sent(producer_);
  return Dig{.id = id,
             .at = at,
             .hub = static_cast<std::uint32_t>(mix(id) % config_.hubs),
             .k = config_.notifications_per_event,
             .audience = config_.audience(),
             .filler = {}};
}

std::int64_t Feed::next_call_ns(std::int64_t now) const {
  if (config_.mode == Mode::kMax) return now + kGrainMaxModeNs;
  return std::clamp(due_ns(), now + kGrainNs, now + kIdleNs);
}

bool Feed::over(std::int64_t now) const {
  return next_sequence_ >= Ledger::kSequencesMax ||
         (config_.mode == Mode::kMax ? now : due_ns()) >= phase_.measure_until_ns.load(std::memory_order_relaxed);
}

std::int64_t Feed::due_ns() const {
  // Producers take turns.
  const double events = static_cast<double>(next_sequence_) + static_cast<double>(producer_) / config_.producers;
  return phase_.start_ns.load(std::memory_order_relaxed) + static_cast<std::int64_t>(interval_ns_ * events);
}

Receiver::Receiver(const JobConfig& config, const Phase& phase, Ledger& ledger)
    : config_(config),
      phase_(phase),
      ledger_(ledger),
      last_heard_ns_(std::size_t{config.players} / config.gateways + 1, 0),
      newest_((std::size_t{config.players} / config.gateways + 1) * config.producers, 0) {}

void Receiver::receive(const Find& find) {
  const std::int64_t now = now_ns();
  const DigId id = DigId::of(find.id);
  const auto arrival = find.player < config_.players ? ledger_.received(id, find.index) : Ledger::Arrival::kUnknown;
  if (arrival == Ledger::Arrival::kUnknown) ++unknown_;
  if (arrival != Ledger::Arrival::kFirst) return;

  const std::int64_t measure_from = phase_.measure_from_ns.load(std::memory_order_relaxed);
  if (last_arrival_ns_ != 0 && now > measure_from)
    longest_silence_ns_ = std::max(longest_silence_ns_, now - last_arrival_ns_);
  last_arrival_ns_ = now;
  const std::size_t place = std::size_t{find.player} / config_.gateways;
  const std::int64_t heard = std::exchange(last_heard_ns_[place], now);
  if (heard != 0 && now > measure_from && now - heard >= kSilenceNs) silences_.push_back({find.player, heard, now});

  std::uint64_t& newest = newest_[place * config_.producers + id.producer];
  if (id.sequence + 1 < newest) ++out_of_order_;
  newest = std::max(newest, id.sequence + 1);

  if (phase_.measures(now)) ++received_measured_;
  if (find.at >= measure_from) latencies_.add(now - find.at);
}

}  // namespace carillon::bench
