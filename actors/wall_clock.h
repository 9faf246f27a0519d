// Wall-clock time that never runs backwards, for one owner: when the machine's clock is set back this one goes on at half its pace
// until that has caught up, so that what is due in a moment is due in two, not after an hour. Set forward, it follows at once; by more
// than an hour only once that has held for ten minutes, for what is too old by a wrong clock is erased and does not come back.
#pragma once

#include <algorithm>
#include <chrono>

#include "messages/event.h"

namespace carillon::actors {

class WallClock {
 public:
  using Wall = std::chrono::system_clock;
  using Steady = std::chrono::steady_clock;

  UnixMs now() { return at(Wall::now(), Steady::now()); }

  // What it says when the machine's clocks say this.
  UnixMs at(Wall::time_point wall, Steady::time_point steady) {
    const auto passed = steady - last_steady_;
    const bool leaps = last_ != Wall::time_point() && wall - (last_ + passed) > kLeap;
    if (!leaps) leapt_at_ = steady;
    last_ = leaps && steady - leapt_at_ < kBelievedAfter ? last_ + passed : std::max(wall, last_ + passed / 2);
    last_steady_ = steady;
    return std::chrono::duration_cast<std::chrono::milliseconds>(last_.time_since_epoch()).count();
  }

 private:
  static constexpr std::chrono::hours kLeap{1};
  static constexpr std::chrono::minutes kBelievedAfter{10};

  Wall::time_point last_;
  Steady::time_point last_steady_;
  Steady::time_point leapt_at_;  // The last time that the machine's clock was not far ahead.
};

}  // namespace carillon::actors
