// Tells a producer's new events from its resent ones (P2).
//
// Pure: no clock, no disk, no locks. One per producer and partition, used by that partition only.
// Replicated, and saved in the same batch as the events that moved it.
// Algorithm: the anti-replay window of IPsec, RFC 4303 section 3.4.3.
#pragma once

#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>

#include "messages/producer_id.h"

namespace carillon::runtime {

class Window {
 public:
  enum class Verdict { kNew, kDuplicate };
  static constexpr std::size_t kSpanEvents = 1024;  // A producer leaves no more unacknowledged.

  Window() = default;
  // As saved: `seen_below` is empty when everything below `highest` was seen.
  Window(Sequence highest, std::string_view seen_below);

  // Judges `sequence` (from 1) and remembers it if new. Further back than the span is a duplicate.
  [[nodiscard]] Verdict admit(Sequence sequence);

  Sequence highest() const { return highest_; }
  // The bitmap as saved: bit i of byte i / 8 tells whether `highest - 1 - i` was seen; empty when there are no gaps.
  std::string seen_below() const;

 private:
  bool has_gaps() const { return gaps_ > 0; }

  Sequence highest_ = 0;                 // 0 before the first event.
  std::size_t gaps_ = 0;                 // Unseen sequences within the span below `highest_`.
  std::bitset<kSpanEvents> seen_below_;  // Only while there are gaps. Bit i: was `highest_ - 1 - i` seen?
};

}  // namespace carillon::runtime
