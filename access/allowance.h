// So much a second, saved up for a few seconds while it is not used: a token bucket.
//
// Pure; the time is given, and never goes back. Algorithm: GCRA (ITU-T I.371), which needs nothing but the time at which all
// that was taken will have been earned.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace carillon::access {

class Allowance {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kSaved{4};  // So many seconds' worth may be taken at once.

  // 0: without limit.
  explicit Allowance(std::uint64_t per_second) : per_second_(per_second) {}

  // How long until `amount` may be taken; zero: it may be now. More than can be saved up may be taken when all that can is. Of it
  // `taken` was taken already.
  Clock::duration wait_for(std::uint64_t amount, Clock::time_point now, std::uint64_t taken = 0) const {
    return until(std::min<Clock::duration>(earned_in(amount), kSaved) - earned_in(taken), now);
  }
  // Takes `amount`, whether it is there or not: what is not is owed.
  void take(std::uint64_t amount, Clock::time_point now) {
    earned_at_ = std::min(std::max(earned_at_, now) + earned_in(amount), now + kOwedLongest);
  }
  // How long until nothing is owed; zero: nothing is.
  Clock::duration owed(Clock::time_point now) const { return until(Clock::duration::zero(), now); }

 private:
  static constexpr std::chrono::hours kOwedLongest{1};

  Clock::duration earned_in(std::uint64_t amount) const {
    if (per_second_ == 0) return Clock::duration::zero();
    const std::chrono::duration<double> time(static_cast<double>(amount) / static_cast<double>(per_second_));
    return std::chrono::duration_cast<Clock::duration>(std::min<std::chrono::duration<double>>(time, kOwedLongest));
  }
  Clock::duration until(Clock::duration free, Clock::time_point now) const {
    return std::max(std::max(earned_at_, now) + free - kSaved - now, Clock::duration::zero());
  }

  std::uint64_t per_second_;
  Clock::time_point earned_at_ = Clock::time_point::min();
};

}  // namespace carillon::access
