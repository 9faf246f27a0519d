#include "runtime/busiest.h"

#include <algorithm>

namespace carillon::runtime {

void Busiest::begin_batch(std::size_t events) {
  stride_ = std::max<std::size_t>((events + kLookedAt - 1) / kLookedAt, 1);
  skip_ = phase_++ % stride_;
}

void Busiest::add(const EntityId& entity, std::size_t events) {
  if (skip_ >= events) {
    skip_ -= events;
    return;
  }
  const std::size_t looked_at = (events - skip_ + stride_ - 1) / stride_;
  skip_ = skip_ + looked_at * stride_ - events;
  count(entity, looked_at * stride_);
}

void Busiest::count(const EntityId& entity, std::uint64_t events) {
  if (const auto known = counters_.find(entity); known != counters_.end()) {
    known->second.events += events;
    return;
  }
  Counter counter{events, 0};
  if (counters_.size() == kCounters) {
    const auto least = std::ranges::min_element(counters_, {}, [](const auto& other) { return other.second.events; });
    counter = {least->second.events + events, least->second.events};
    counters_.erase(least);
  }
  counters_.emplace(entity, counter);
}

void Busiest::tick(UnixMs now) {
  if (opened_at_ == 0) opened_at_ = now;
  if (now - opened_at_ < kWindowMs) return;
  last_ = sorted(counters_);
  last_ms_ = now - opened_at_;
  counters_.clear();
  opened_at_ = now;
}

std::vector<Busiest::Count> Busiest::top() const { return last_ms_ > 0 ? last_ : sorted(counters_); }

UnixMs Busiest::window_ms(UnixMs now) const {
  if (last_ms_ > 0) return last_ms_;
  return opened_at_ == 0 ? 0 : std::max<UnixMs>(now - opened_at_, 1);
}

std::vector<Busiest::Count> Busiest::sorted(const Counters& counters) {
  std::vector<Count> all;
  all.reserve(counters.size());
  for (const auto& [entity, counter] : counters) all.push_back({entity, counter.events, counter.at_most_too_high});
  std::ranges::sort(all, [](const Count& a, const Count& b) {
    return a.events != b.events ? a.events > b.events : a.entity.text() < b.entity.text();
  });
  return all;
}

}  // namespace carillon::runtime
