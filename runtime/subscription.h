// Follows one mailbox from one offset on: exactly what comes next, first from disk, then live, without a seam (P4).
//
// Pure. The rule that makes the seam impossible: an event is passed on only when its offset is the next one. What is
// committed while the follower has no room, or is still reading, is not kept; it is read from disk when its turn comes.
#pragma once

#include <algorithm>
#include <optional>

#include "runtime/mailbox.h"
#include "runtime/mutation.h"

namespace carillon::runtime {

class Subscription {
 public:
  // Wants everything from `next` on; the mailbox is known to reach up to `last`.
  Subscription(Offset next, Offset last) : next_(next), last_(last) {}

  // What was committed just now. Returns what is to be passed on, if anything: the caller has room for it.
  std::optional<EventSlice> committed(const EventSlice& events, bool has_room) {
    last_ = std::max(last_, events.last());
    if (mutated(Mutation::kPassOnAnything) && has_room) return next_ = last_ + 1, std::optional(events);
    if (reading_ || !has_room || events.first > next_ || events.last() < next_) return std::nullopt;
    auto fresh = events.from(next_);
    next_ = fresh.last() + 1;
    return fresh;
  }

  // The mailbox is known to reach up to `last`.
  void reaches(Offset last) { last_ = std::max(last_, last); }

  // There is something on disk that the follower has not got, and no read is under way.
  bool wants_page() const { return !reading_ && next_ <= last_; }
  // A read from `next()` on was begun.
  void page_wanted() { reading_ = true; }
  // It brought `events`, which are to be passed on.
  void page_read(const EventRun& run) {
    reading_ = false;
    if (!run.events.empty()) next_ = std::max(next_, run.last() + 1);
  }

  Offset next() const { return next_; }

 private:
  Offset next_;
  Offset last_;
  bool reading_ = false;
};

}  // namespace carillon::runtime
