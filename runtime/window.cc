#include "runtime/window.h"

#include <algorithm>

#include "runtime/mutation.h"

namespace carillon::runtime {

Window::Window(Sequence highest, std::string_view seen_below) : highest_(highest) {
  if (seen_below.empty() || highest == 0) return;
  const auto below = std::min<Sequence>(highest - 1, kSpanEvents);
  for (std::size_t i = 0; i < below; ++i) {
    const bool seen = i / 8 < seen_below.size() && (static_cast<unsigned char>(seen_below[i / 8]) >> (i % 8) & 1) != 0;
    seen_below_[i] = seen;
    gaps_ += !seen;
  }
}

Window::Verdict Window::admit(Sequence sequence) {
  CHECK(sequence > 0);
  if (sequence == highest_ + 1 && !has_gaps()) {
    highest_ = sequence;
    return Verdict::kNew;
  }
  if (sequence > highest_) {
    if (!has_gaps()) seen_below_.set();
    const auto jump = sequence - highest_;
    if (jump > kSpanEvents) {
      seen_below_.reset();
    } else {
      seen_below_ <<= jump;
      if (highest_ > 0) seen_below_.set(jump - 1);
    }
    highest_ = sequence;
    const auto below = std::min<Sequence>(highest_ - 1, kSpanEvents);
    // Bits beyond sequence 1 stand for nothing; they count as seen.
    for (std::size_t i = below; i < kSpanEvents; ++i) seen_below_.set(i);
    gaps_ = kSpanEvents - seen_below_.count();
    return Verdict::kNew;
  }
  const auto back = highest_ - sequence;
  if (mutated(Mutation::kAdmitWithinGaps) && back > 0 && has_gaps()) return Verdict::kNew;
  if (back == 0 || back > kSpanEvents || !has_gaps() || seen_below_[back - 1]) return Verdict::kDuplicate;
  seen_below_.set(back - 1);
  --gaps_;
  return Verdict::kNew;
}

std::string Window::seen_below() const {
  if (!has_gaps()) return {};
  std::string bytes(kSpanEvents / 8, '\0');
  for (std::size_t i = 0; i < kSpanEvents; ++i)
    if (seen_below_[i]) bytes[i / 8] = static_cast<char>(bytes[i / 8] | 1 << (i % 8));
  return bytes;
}

}  // namespace carillon::runtime
