// Which of several addresses to try next, after which pause, and how long to bear with a node that gets nothing done.
//
// Pure. Goes round the addresses in the order given, beginning with the first. The step to the next one is short, for a
// fail-over should be a short silence; a round in which nothing worked is followed by a longer pause each time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "clients/cpp/address.h"
#include "clients/cpp/backoff.h"

namespace carillon::client {

class Attempts {
 public:
  Attempts(Addresses addresses, Backoff::Range pauses, std::uint64_t seed)
      : addresses_(std::move(addresses)), pauses_(pauses), backoff_(pauses, seed) {}

  const Address& address() const { return addresses_.all()[current_]; }
  // Whether there is anywhere else to go.
  bool has_others() const { return addresses_.all().size() > 1; }

  // It could not be reached, was lost or got nothing done: the next one's turn, after this pause.
  std::chrono::milliseconds failed() {
    const auto count = addresses_.all().size();
    current_ = (current_ + 1) % count;
    ++failures_;
    return failures_ % count == 0 ? backoff_.next() : pauses_.first;
  }
  // It does what it is asked.
  void succeeded() {
    if (std::exchange(failures_, 0) > 0) backoff_.reset();
  }

  // A connection attempt, or a request to a node that answers pings, is given up after this long when there is somewhere
  // else to go. Longer after each failure: if all are slow, wandering about only makes them slower.
  std::chrono::milliseconds patience() const { return kPatience * longer(); }
  // A node that has said for so long, each time it was asked, that what is wanted is unavailable is given up: before it
  // says so it has waited for a fail-over itself.
  std::chrono::milliseconds patience_with_refusals() const { return kPatienceWithRefusals * longer(); }

 private:
  static constexpr std::chrono::milliseconds kPatience{1'000};
  static constexpr std::chrono::milliseconds kPatienceWithRefusals{150};
  static constexpr std::size_t kDoublingsMax = 3;

  int longer() const { return 1 << std::min<std::size_t>(failures_ / addresses_.all().size(), kDoublingsMax); }

  Addresses addresses_;
  Backoff::Range pauses_;
  Backoff backoff_;
  std::size_t current_ = 0;
  std::size_t failures_ = 0;  // Since the last success.
};

}  // namespace carillon::client
