#include "actors/frame_guard.h"

#include <algorithm>
#include <utility>

namespace carillon::actors {
namespace {

constexpr unsigned kFin = 0x80, kReserved = 0x70, kOpcode = 0x0f, kMasked = 0x80, kLength = 0x7f;
constexpr unsigned kContinuation = 0, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;
constexpr unsigned kLengthIn2 = 126, kLengthIn8 = 127;
constexpr std::size_t kMaskBytes = 4;

}  // namespace

FrameGuard::Verdict FrameGuard::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (payload_left_ > 0) {
      const auto taken = std::min<std::uint64_t>(payload_left_, bytes.size());
      bytes.remove_prefix(static_cast<std::size_t>(taken));
      payload_left_ -= taken;
      if (payload_left_ == 0) frame_complete();
      continue;
    }
    header_[header_bytes_++] = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    if (header_bytes_ < header_wanted()) continue;
    if (const auto verdict = judge(); verdict != Verdict::kGood) return verdict;
    header_bytes_ = 0;
    if (payload_left_ == 0) frame_complete();
  }
  return Verdict::kGood;
}

std::size_t FrameGuard::header_wanted() const {
  if (header_bytes_ < 2) return 2;
  const unsigned length = header_[1] & kLength;
  const std::size_t more = length == kLengthIn2 ? 2 : length == kLengthIn8 ? 8 : 0;
  return 2 + more + ((header_[1] & kMasked) != 0 ? kMaskBytes : 0);
}

FrameGuard::Verdict FrameGuard::judge() {
  const bool fin = (header_[0] & kFin) != 0;
  const unsigned opcode = header_[0] & kOpcode;
  std::uint64_t length = header_[1] & kLength;
  const std::size_t more = length == kLengthIn2 ? 2 : length == kLengthIn8 ? 8 : 0;
  if (more > 0) length = 0;
  for (std::size_t i = 0; i < more; ++i) length = length << 8 | header_[2 + i];

  if ((header_[0] & kReserved) != 0 || (header_[1] & kMasked) == 0) return Verdict::kNoFrames;
  is_control_ = opcode >= kClose;
  if (opcode > kPong || (opcode > kBinary && !is_control_)) return Verdict::kNoFrames;
  ends_message_ = false;
  is_ping_ = opcode == kPing;
  payload_left_ = length;
  if (is_control_) return fin && more == 0 ? Verdict::kGood : Verdict::kNoFrames;
  if (in_message_ != (opcode == kContinuation)) return Verdict::kNoFrames;
  if (length > message_bytes_max_ - message_bytes_ || ++fragments_ > kFragmentsMax) return Verdict::kTooBig;
  message_bytes_ += length;
  in_message_ = !fin;
  ends_message_ = fin;
  return Verdict::kGood;
}

void FrameGuard::frame_complete() {
  ++frames_;
  if (is_ping_) ++pings_;
  if (!std::exchange(ends_message_, false)) return;
  message_bytes_ = 0;
  fragments_ = 0;
}

}  // namespace carillon::actors
