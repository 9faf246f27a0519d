// A distribution of durations, in buckets at most 1/64 (1.6 %) wide, relative to what is in them; from 1 ns to centuries.
//
// Not shared: belongs to one thread; merged when the threads have ended.
// Algorithm: as HdrHistogram, the leading bit chooses a group of 64 buckets, the next six bits a bucket of it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "bench/clock.h"

namespace carillon::bench {

class Histogram {
 public:
  // What is negative counts as 0.
  void add(std::int64_t duration_ns) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(duration_ns, 0));
    ++counts_[bucket_of(value)];
    ++count_;
    longest_ = std::max(longest_, value);
  }
  void merge(const Histogram& other) {
    std::ranges::transform(counts_, other.counts_, counts_.begin(), std::plus<>());
    count_ += other.count_;
    longest_ = std::max(longest_, other.longest_);
  }

  std::uint64_t count() const { return count_; }
  double max_ms() const { return milliseconds_of(static_cast<std::int64_t>(longest_)); }
  // The least upper edge of a bucket so that more than `share` of all lie below it; 0 when there are none.
  double quantile_ms(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t passed = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      passed += counts_[bucket];
      if (passed > rank) return milliseconds_of(static_cast<std::int64_t>(std::min(upper_edge_of(bucket), longest_)));
    }
    return max_ms();
  }

 private:
  static constexpr int kGroupBits = 6;
  static constexpr std::size_t kGroup = std::size_t{1} << kGroupBits;
  static constexpr std::size_t kBuckets = (64 - kGroupBits + 1) * kGroup;

  // How many low bits the bucket of `value` does not tell apart.
  static int blur_of(std::uint64_t value) {
    return std::max(0, static_cast<int>(std::bit_width(value)) - 1 - kGroupBits);
  }
  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kGroup) return value;
    const int blur = blur_of(value);
    return (static_cast<std::size_t>(blur) + 1) * kGroup + (value >> blur) % kGroup;
  }
  static std::uint64_t upper_edge_of(std::size_t bucket) {
    if (bucket < kGroup) return bucket;
    const std::size_t blur = bucket / kGroup - 1;
    return ((kGroup + bucket % kGroup + 1) << blur) - 1;
  }

  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(kBuckets, 0);
  std::uint64_t count_ = 0;
  std::uint64_t longest_ = 0;
};

}  // namespace carillon::bench
