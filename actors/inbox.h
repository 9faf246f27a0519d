// How actors reach a thread that runs a KJ event loop: a queue of small jobs that this thread runs.
//
// push: any thread, never blocks, no lock (a stack by compare-and-swap, reversed when it is taken; R. K. Treiber, 1986).
// The event loop is woken through an eventfd, once for all jobs that wait.
#pragma once

#include <kj/async-io.h>
#include <kj/async.h>

#include <atomic>
#include <functional>
#include <memory>

namespace carillon::actors {

class Inbox {
 public:
  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  template <class Job>
  void push(Job job) {
    push_steps([job = std::move(job)]() mutable { return job(), false; });
  }
  // A job of many steps; it says whether there are more. Those behind it wait until there are none.
  void push_steps(std::function<bool()> step);
  // Lets go of the jobs that wait, and of those that still come: they may refer to actors, which end only when nobody does. Once the
  // event loop has ended; any thread.
  void close();

  // Runs jobs in the order of their pushes, for as long as the promise lives. Called once, by the event loop's thread.
  kj::Promise<void> run(kj::LowLevelAsyncIoProvider& provider);

 private:
  struct Job {
    std::function<bool()> step;
    Job* next = nullptr;
  };
  kj::Promise<void> wait(kj::AsyncInputStream& wakes);
  void drop_waiting();
  void take_all();
  kj::Promise<void> run_taken();

  std::atomic<Job*> newest_{nullptr};
  std::atomic<bool> closed_{false};
  Job* oldest_taken_ = nullptr;  // Of those that wait for their turn; the event loop's.
  int event_fd_;
  std::uint64_t wake_count_ = 0;
};

}  // namespace carillon::actors
