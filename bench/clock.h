// The one clock of the bench: CLOCK_MONOTONIC in nanoseconds, the same in every process of a machine.
#pragma once

#include <cstdint>
#include <ctime>

namespace carillon::bench {

constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

inline std::int64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

inline double seconds_of(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }
inline double milliseconds_of(std::int64_t ns) { return static_cast<double>(ns) / 1e6; }

}  // namespace carillon::bench
