// How long to wait before the next attempt to connect: twice as long each time, with jitter, so that the clients of a
// node that comes back do not all arrive at once.
//
// Pure: its dice are splitmix64 from a seed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace carillon::client {

class Backoff {
 public:
  struct Range {
    std::chrono::milliseconds first{5};
    std::chrono::milliseconds longest{2'000};
  };

  Backoff(Range range, std::uint64_t seed) : range_(range), step_(range.first), seed_(seed) {}

  // Between half of the step and all of it.
  std::chrono::milliseconds next() {
    const auto half = step_.count() / 2;
    const auto pause =
        half + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(step_.count() - half + 1));
    step_ = std::min(step_ * 2, range_.longest);
    return std::chrono::milliseconds(pause);
  }
  // All is well again.
  void reset() { step_ = range_.first; }

 private:
  std::uint64_t random() {
    std::uint64_t value = seed_ += 0x9e3779b97f4a7c15ull;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
  }

  Range range_;
  std::chrono::milliseconds step_;
  std::uint64_t seed_;
};

}  // namespace carillon::client
