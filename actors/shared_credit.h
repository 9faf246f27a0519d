// What all subscriptions of one connection may have under way together, besides what each of them may: there may be many. Belongs
// to its gateway thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace carillon::actors {

class SharedCredit {
 public:
  using Ticket = std::uint64_t;

  explicit SharedCredit(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  SharedCredit(const SharedCredit&) = delete;
  SharedCredit& operator=(const SharedCredit&) = delete;

  bool has_room() const { return bytes_ < bytes_max_; }
  // Also beyond what there is: whoever takes has seen that there was room.
  void take(std::size_t bytes) { bytes_ += bytes; }
  // Calls those who wait, one after the other, while there is room.
  void give_back(std::size_t bytes) {
    bytes_ -= bytes;
    while (has_room() && !waiting_.empty()) waiting_.extract(waiting_.begin()).mapped()();
  }
  // `again` is called once, when there is room, unless that is cancelled before.
  Ticket wait(std::function<void()> again) {
    waiting_.emplace(++last_ticket_, std::move(again));
    return last_ticket_;
  }
  void cancel(Ticket ticket) { waiting_.erase(ticket); }

 private:
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  Ticket last_ticket_ = 0;
  std::map<Ticket, std::function<void()>> waiting_;  // In turn.
};

}  // namespace carillon::actors
