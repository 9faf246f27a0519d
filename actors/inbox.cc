#include "actors/inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "messages/result.h"

namespace carillon::actors {

namespace {

// What the jobs of a few connections lead to is done while their memory is still near, before the next few.
constexpr int kStepsAtOnce = 8;

}  // namespace

Inbox::Inbox() : event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { CHECK(event_fd_ >= 0); }

Inbox::~Inbox() {
  close();
  ::close(event_fd_);
}

void Inbox::close() {
  closed_ = true;
  drop_waiting();
  for (auto* job = std::exchange(oldest_taken_, nullptr); job != nullptr;) delete std::exchange(job, job->next);
}

void Inbox::drop_waiting() {
  for (auto* job = newest_.exchange(nullptr); job != nullptr;) delete std::exchange(job, job->next);
}

void Inbox::push_steps(std::function<bool()> step) {
  auto* job = new Job{std::move(step), newest_.load(std::memory_order_relaxed)};
  // `job` belongs to the taker as soon as the exchange succeeds, so what it followed is read before.
  auto* next = job->next;
  while (!newest_.compare_exchange_weak(next, job, std::memory_order_seq_cst, std::memory_order_relaxed))
    job->next = next;
  // Either this is seen here, or close() sees the job.
  if (closed_) return drop_waiting();
  if (next != nullptr) return;  // Whoever pushed the first one wakes the loop.
  const std::uint64_t one = 1;
  while (write(event_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

kj::Promise<void> Inbox::run(kj::LowLevelAsyncIoProvider& provider) {
  auto wakes = provider.wrapInputFd(
      event_fd_, kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK);
  auto& stream = *wakes;
  return wait(stream).attach(kj::mv(wakes));
}

kj::Promise<void> Inbox::wait(kj::AsyncInputStream& wakes) {
  return wakes.read(&wake_count_, sizeof wake_count_)
      .then([this] {
        take_all();
        return run_taken();
      })
      .then([this, &wakes] { return wait(wakes); });
}

void Inbox::take_all() {
  for (auto* job = newest_.exchange(nullptr, std::memory_order_acq_rel); job != nullptr;) {
    auto* next = job->next;
    job->next = oldest_taken_;
    oldest_taken_ = job;
    job = next;
  }
}

kj::Promise<void> Inbox::run_taken() {
  for (int run = 0; run < kStepsAtOnce && oldest_taken_ != nullptr; ++run) {
    if (oldest_taken_->step()) continue;
    const std::unique_ptr<Job> done(oldest_taken_);
    oldest_taken_ = done->next;
  }
  if (oldest_taken_ == nullptr) return kj::READY_NOW;
  // Not evalLast: a connection that always has something to do would keep the rest waiting.
  return kj::evalLater([this] { return run_taken(); });
}

}  // namespace carillon::actors
