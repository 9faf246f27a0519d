// Waits for what other processes and threads do, without guessing how long it takes.
#pragma once

#include <chrono>
#include <thread>

namespace carillon::testing {

inline constexpr std::chrono::milliseconds kLookEvery{5};

// Looks until `happened()`; false when it has not within `deadline`.
template <class Happened>
[[nodiscard]] bool eventually(std::chrono::milliseconds deadline, Happened happened) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (!happened()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

}  // namespace carillon::testing
