// Judges the frames of a WebSocket's client before KJ's WebSocket sees them (RFC 6455, sections 5.1 to 5.5).
//
// Pure. KJ 0.9.2 takes frames without a mask and with reserved bits, control frames of any length, and any number of empty fragments,
// each of which costs memory. Looks at headers only; payloads may come in any pieces.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace carillon::actors {

class FrameGuard {
 public:
  enum class Verdict { kGood, kNoFrames, kTooBig };
  static constexpr std::size_t kFragmentsMax = 1'024;  // Of one message.

  explicit FrameGuard(std::uint64_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // What came next. Once it is not good, nothing more is to be asked.
  [[nodiscard]] Verdict take(std::string_view bytes);

  // Whole frames so far, and the pings among them.
  std::uint64_t frames() const { return frames_; }
  std::uint64_t pings() const { return pings_; }
  // Of the message that is not complete yet: what its fragments say that they have, for which KJ takes memory at once.
  std::uint64_t message_bytes() const { return message_bytes_; }

 private:
  std::size_t header_wanted() const;
  Verdict judge();
  void frame_complete();

  const std::uint64_t message_bytes_max_;
  std::array<unsigned char, 14> header_{};
  std::size_t header_bytes_ = 0;
  std::uint64_t payload_left_ = 0;
  std::uint64_t frames_ = 0, pings_ = 0;
  std::uint64_t message_bytes_ = 0;
  std::size_t fragments_ = 0;  // Of the message that is not complete yet.
  bool in_message_ = false;    // Its last fragment has not begun.
  bool ends_message_ = false;  // The frame that is being read does.
  bool is_control_ = false;    // It belongs to no message.
  bool is_ping_ = false;
};

}  // namespace carillon::actors
