// Wall-clock time that never runs backwards, for one owner: when the machine's clock is set back this one goes on at half its pace
// until that has caught up, so that what is due in a moment is due in two, not after an hour; set forward, it follows at once.
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
    last_ = std::max(wall, last_ + (steady - last_steady_) / 2);
    last_steady_ = steady;
    return std::chrono::duration_cast<std::chrono::milliseconds>(last_.time_since_epoch()).count();
  }

 private:
  Wall::time_point last_;
  Steady::time_point last_steady_;
};

}  // namespace carillon::actors
