// Virtual time: what happens next, and the dice that everything random in a simulation is thrown with.
//
// One thread. Jobs run in the order of their times; where times are equal the dice decide, so that one seed is one life.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <queue>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

namespace carillon::simulation {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t sides) { return random_() % sides; }
  // Both included.
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least + 1)));
  }
  bool chance(double probability) { return static_cast<double>(random_() >> 11) * 0x1p-53 < probability; }
  template <class T>
  T pick(std::initializer_list<T> from) {
    return *std::next(from.begin(), static_cast<std::ptrdiff_t>(below(from.size())));
  }

 private:
  std::mt19937_64 random_;
};

using Micros = std::int64_t;  // Virtual time since the simulation began, or a span of it.
using Job = std::function<void()>;

class Schedule {
 public:
  explicit Schedule(Dice& dice) : dice_(&dice) {}

  Micros now() const { return now_; }
  void after(Micros delay, Job job) { jobs_.push({now_ + delay, dice_->below(1u << 30), ++number_, std::move(job)}); }

  bool empty() const { return jobs_.empty(); }
  // Moves time to the next job and runs it.
  void step() {
    auto job = std::move(const_cast<Due&>(jobs_.top()).job);
    now_ = jobs_.top().at;
    jobs_.pop();
    job();
  }

 private:
  struct Due {
    Micros at;
    std::uint64_t tie;
    std::uint64_t number;
    Job job;
    bool operator<(const Due& other) const {
      return std::tie(other.at, other.tie, other.number) < std::tie(at, tie, number);
    }
  };

  Dice* dice_;
  Micros now_ = 0;
  std::uint64_t number_ = 0;
  std::priority_queue<Due> jobs_;
};

}  // namespace carillon::simulation
