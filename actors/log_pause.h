// So that what happens all the time does not fill the disk with log lines: one a second, which says how many there were not.
//
// Belongs to one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "actors/latency.h"

namespace carillon::actors {

class LogPause {
 public:
  static constexpr std::chrono::seconds kPause{1};

  // Nothing when it is too early for another line; else how many were not written since the last one.
  std::optional<std::uint64_t> next(Clock::time_point now) {
    if (last_ && now - *last_ < kPause) {
      ++held_back_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(held_back_, 0);
  }

 private:
  std::optional<Clock::time_point> last_;
  std::uint64_t held_back_ = 0;
};

}  // namespace carillon::actors
