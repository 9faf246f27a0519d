// Wakes a KJ event loop at a time, to within tens of microseconds. KJ's own timer is rounded up to milliseconds.
//
// Belongs to the thread of its event loop. One wait at a time.
#pragma once

#include <kj/async-io.h>
#include <kj/async-unix.h>

#include <cstdint>

namespace carillon::bench {

class Ticker {
 public:
  explicit Ticker(kj::UnixEventPort& port);
  ~Ticker();
  KJ_DISALLOW_COPY(Ticker);

  // Resolves at `at_ns` by now_ns()'s clock.
  kj::Promise<void> until(std::int64_t at_ns);

 private:
  int timer_fd_;
  kj::Own<kj::UnixEventPort::FdObserver> observer_;
};

}  // namespace carillon::bench
