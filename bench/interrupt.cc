#include "bench/interrupt.h"

#include <signal.h>

#include <algorithm>
#include <ctime>

#include "bench/clock.h"

namespace carillon::bench {
namespace {

constexpr std::int64_t kLookEveryNs = 50 * kMillisecond;

volatile sig_atomic_t interrupted = 0;

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

Result<void> sleep_until_ns(std::int64_t at_ns) {
  for (;;) {
    if (interrupted != 0) return Error{ErrorCode::UNAVAILABLE, "interrupted"};
    const std::int64_t left = at_ns - now_ns();
    if (left <= 0) return {};
    const std::int64_t nap = std::min(left, kLookEveryNs);
    const timespec duration{nap / kSecond, nap % kSecond};
    nanosleep(&duration, nullptr);
  }
}

}  // namespace carillon::bench
