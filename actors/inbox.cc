#include "actors/inbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "messages/result.h"

namespace carillon::actors {

Inbox::Inbox() : event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { CHECK(event_fd_ >= 0); }

Inbox::~Inbox() {
  for (auto* job = newest_.load(); job != nullptr;) delete std::exchange(job, job->next);
  close(event_fd_);
}

void Inbox::push(std::function<void()> run) {
  auto* job = new Job{std::move(run), newest_.load(std::memory_order_relaxed)};
  // `job` belongs to the taker as soon as the exchange succeeds, so what it followed is read before.
  auto* next = job->next;
  while (!newest_.compare_exchange_weak(next, job, std::memory_order_acq_rel, std::memory_order_relaxed))
    job->next = next;
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
  return wakes.read(&wake_count_, sizeof wake_count_).then([this, &wakes] {
    run_all();
    return wait(wakes);
  });
}

void Inbox::run_all() {
  Job* oldest = nullptr;
  for (auto* job = newest_.exchange(nullptr, std::memory_order_acq_rel); job != nullptr;) {
    auto* next = job->next;
    job->next = oldest;
    oldest = job;
    job = next;
  }
  while (oldest != nullptr) {
    const std::unique_ptr<Job> job(oldest);
    oldest = job->next;
    job->run();
  }
}

}  // namespace carillon::actors
