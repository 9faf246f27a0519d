// What an actor or a network path has still to do: jobs in the order sent, done one after the other, each after a delay.
//
// As a CAF mailbox: who sends first is served first, whatever else is going on. Dropped with all that is in it.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "tests/simulation/schedule.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  // Each job takes about `pace`; now and then very much longer.
  static std::shared_ptr<Inbox> make(World& world, Micros pace) {
    return std::shared_ptr<Inbox>(new Inbox(world, pace));
  }

  void send(Job job) {
    if (closed_) return;
    jobs_.push_back(std::move(job));
    if (!std::exchange(running_, true)) run_later();
  }
  // Nothing more is done.
  void close() {
    closed_ = true;
    jobs_.clear();
  }
  // Does at once what is waiting.
  void flush() {
    while (!jobs_.empty()) run_one();
  }
  std::size_t size() const { return jobs_.size(); }

 private:
  Inbox(World& world, Micros pace) : world_(&world), pace_(pace) {}

  void run_later() {
    world_->schedule.after(world_->delay(pace_), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->running_ = false;
      if (self->closed_ || self->jobs_.empty()) return;
      // Often several are done in one go.
      for (auto some = self->world_->dice.below(4) + 1; some > 0 && !self->jobs_.empty(); --some) self->run_one();
      if (!self->jobs_.empty() && !std::exchange(self->running_, true)) self->run_later();
    });
  }
  void run_one() {
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
  }

  World* world_;
  Micros pace_;
  bool running_ = false;
  bool closed_ = false;
  std::deque<Job> jobs_;
};

}  // namespace carillon::simulation
