#include "actors/latency.h"

namespace carillon::actors {

double LatencyHistogram::quantile_ms(double share) const {
  const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen > rank) return static_cast<double>(std::min(upper_edge(i), max_us_)) / 1e3;
  }
  return max_ms();
}

std::uint64_t LatencyHistogram::at_most(std::chrono::microseconds latency) const {
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets && upper_edge(i) <= static_cast<std::uint64_t>(latency.count()); ++i)
    seen += buckets_[i];
  return seen;
}

}  // namespace carillon::actors
