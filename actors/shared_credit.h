// What all subscriptions of one connection may have under way together, besides what each of them may: there may be many. Belongs
// to its gateway thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <utility>

namespace carillon::actors {

class SharedCredit {
 public:
  explicit SharedCredit(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  SharedCredit(const SharedCredit&) = delete;
  SharedCredit& operator=(const SharedCredit&) = delete;

  bool has_room() const { return bytes_ < bytes_max_; }
  // Also beyond what there is: whoever takes has seen that there was room.
  void take(std::size_t bytes) { bytes_ += bytes; }
  // Calls those who wait, one after the other, while there is room.
  void give_back(std::size_t bytes) {
    bytes_ -= bytes;
    while (has_room() && !waiting_.empty()) {
      const auto next = std::move(waiting_.front());
      waiting_.pop_front();
      next();
    }
  }
  // `again` is called once, when there is room. It has to know by itself whether anybody still wants that.
  void wait(std::function<void()> again) { waiting_.push_back(std::move(again)); }

 private:
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<std::function<void()>> waiting_;
};

}  // namespace carillon::actors
