#include "bench/ticker.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "bench/clock.h"
#include "messages/result.h"

namespace carillon::bench {

Ticker::Ticker(kj::UnixEventPort& port) : timer_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  CHECK(timer_fd_ >= 0);
  observer_ = kj::heap<kj::UnixEventPort::FdObserver>(port, timer_fd_, kj::UnixEventPort::FdObserver::OBSERVE_READ);
}

Ticker::~Ticker() {
  observer_ = nullptr;
  close(timer_fd_);
}

kj::Promise<void> Ticker::until(std::int64_t at_ns) {
  const std::int64_t at = std::max<std::int64_t>(at_ns, 1);  // 0 would disarm it.
  itimerspec setting{};
  setting.it_value.tv_sec = at / kSecond;
  setting.it_value.tv_nsec = at % kSecond;
  // Setting it anew makes it unreadable, so that it need not be read: the next expiry is an edge again.
  CHECK(timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &setting, nullptr) == 0);
  return observer_->whenBecomesReadable();
}

}  // namespace carillon::bench
