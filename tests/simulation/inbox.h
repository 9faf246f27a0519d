// What an actor or a network path has still to do: jobs in the order sent, done one after the other, each after a delay.
//
// As a CAF mailbox: who sends first is served first, whatever else is going on. Dropped with all that is in it.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "tests/simulation/schedule.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  // Each job takes about `pace`; now and then very much longer.
  // While its process sleeps, until the time that is pointed to, nothing is done.
  static std::shared_ptr<Inbox> make(World& world, Micros pace, std::shared_ptr<const Micros> asleep_until = nullptr) {
    return std::shared_ptr<Inbox>(new Inbox(world, pace, std::move(asleep_until)));
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
  Inbox(World& world, Micros pace, std::shared_ptr<const Micros> asleep_until)
      : world_(&world), pace_(pace), asleep_until_(std::move(asleep_until)) {}

  void run_later() {
    auto delay = world_->delay(pace_);
    if (asleep_until_) delay = std::max(delay, *asleep_until_ - world_->schedule.now());
    world_->schedule.after(delay, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->running_ = false;
      if (self->is_asleep()) {
        self->running_ = true;
        return self->run_later();
      }
      if (self->closed_ || self->jobs_.empty()) return;
      // Often several are done in one go.
      for (auto some = self->world_->dice.below(4) + 1; some > 0 && !self->jobs_.empty(); --some) self->run_one();
      if (!self->jobs_.empty() && !std::exchange(self->running_, true)) self->run_later();
    });
  }
  bool is_asleep() const { return asleep_until_ && *asleep_until_ > world_->schedule.now(); }
  void run_one() {
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
  }

  World* world_;
  Micros pace_;
  std::shared_ptr<const Micros> asleep_until_;
  bool running_ = false;
  bool closed_ = false;
  std::deque<Job> jobs_;
};

}  // namespace carillon::simulation
