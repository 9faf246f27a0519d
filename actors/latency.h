// Counts latencies in buckets of at most 12.5 % relative width, from 1 µs to minutes. One owner; copies are merged.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace carillon::actors {

using Clock = std::chrono::steady_clock;

class LatencyHistogram {
 public:
  void add(Clock::duration latency, std::uint64_t times = 1) {
    const auto us = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(latency).count(), 0);
    const auto value = static_cast<std::uint64_t>(us);
    buckets_[index_of(value)] += times;
    count_ += times;
    sum_us_ += value * times;
    max_us_ = std::max(max_us_, value);
  }

  void merge(const LatencyHistogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_us_ += other.sum_us_;
    max_us_ = std::max(max_us_, other.max_us_);
  }

  std::uint64_t count() const { return count_; }
  double sum_seconds() const { return static_cast<double>(sum_us_) / 1e6; }
  double max_ms() const { return static_cast<double>(max_us_) / 1e3; }
  // The upper edge of the bucket that holds the given share of all values; 0 when there are none.
  double quantile_ms(double share) const;
  // How many were at most this long.
  std::uint64_t at_most(std::chrono::microseconds latency) const;

 private:
  static constexpr unsigned kSubBits = 3;
  static constexpr std::uint64_t kSub = 1u << kSubBits;
  static constexpr std::size_t kBuckets = 30 * kSub;

  static std::size_t index_of(std::uint64_t value) {
    if (value < kSub) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
    return std::min<std::size_t>((shift + 1) * kSub + ((value >> shift) - kSub), kBuckets - 1);
  }
  static std::uint64_t upper_edge(std::size_t index) {
    if (index < kSub) return index;
    const auto shift = index / kSub - 1;
    return ((kSub + index % kSub + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_us_ = 0;
  std::uint64_t max_us_ = 0;
};

}  // namespace carillon::actors
