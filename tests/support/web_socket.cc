#include "tests/support/web_socket.h"

#include <algorithm>

namespace carillon::testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

milliseconds left_until(Clock::time_point until) {
  return std::max(std::chrono::duration_cast<milliseconds>(until - Clock::now()), milliseconds(0));
}

}  // namespace

std::string frame_of(std::string_view payload, const FrameShape& shape) {
  constexpr std::string_view kMask = "\x12\x34\x56\x78";
  const auto length = shape.said_length.value_or(payload.size());
  std::string frame(1,
                    static_cast<char>((shape.last ? 0x80 : 0) | shape.reserved_bits | static_cast<int>(shape.opcode)));
  const int mask_bit = shape.masked ? 0x80 : 0;
  const auto add = [&](int bytes) {
    for (int i = bytes - 1; i >= 0; --i) frame += static_cast<char>(length >> (8 * i));
  };
  if (length < 126) {
    frame += static_cast<char>(mask_bit | static_cast<int>(length));
  } else if (length < 65'536) {
    frame += static_cast<char>(mask_bit | 126);
    add(2);
  } else {
    frame += static_cast<char>(mask_bit | 127);
    add(8);
  }
  if (!shape.masked) return frame.append(payload);
  frame.append(kMask);
  for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ kMask[i % 4]);
  return frame;
}

WebSocket::WebSocket(const client::Address& address, std::string_view more_header, int receive_buffer_bytes,
                     const char* from)
    : socket_(address, receive_buffer_bytes, from) {
  (void)socket_.send("GET /ws HTTP/1.1\r\nHost: " + address.text() +
                     "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: carillon.v1\r\n" +
                     std::string(more_header) + "\r\n");
  const auto answer = socket_.receive_until("\r\n\r\n");
  const auto end = answer.find("\r\n\r\n");
  opened_ = answer.starts_with("HTTP/1.1 101") && end != std::string::npos;
  if (opened_) received_ = answer.substr(end + 4);
}

std::optional<WebSocket::Frame> WebSocket::next(Clock::time_point until) {
  for (;;) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(received_[i]); };
    if (received_.size() >= 2) {
      std::uint64_t length = byte(1) & 0x7f;
      const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
      if (received_.size() >= 2 + more) {
        if (more > 0) length = 0;
        for (std::size_t i = 0; i < more; ++i) length = length << 8 | byte(2 + i);
        if (received_.size() >= 2 + more + length) {
          Frame frame{static_cast<Opcode>(byte(0) & 0x0f), received_.substr(2 + more, length)};
          received_.erase(0, 2 + more + length);
          if (frame.opcode == Opcode::kClose)
            code_ = frame.payload.size() < 2 ? 1005
                                             : static_cast<unsigned char>(frame.payload[0]) << 8 |
                                                   static_cast<unsigned char>(frame.payload[1]);
          return frame;
        }
      }
    }
    if (ended_ || !socket_.receive_more(received_, left_until(until))) {
      ended_ = Clock::now() + milliseconds(2) < until;  // A patience that was rounded down is no end.
      return std::nullopt;
    }
  }
}

std::string WebSocket::hear(milliseconds patience) {
  const auto until = Clock::now() + patience;
  while (auto frame = next(until)) {
    if (frame->opcode == Opcode::kClose) return {};
    if (frame->opcode == Opcode::kText && frame->payload != R"({"ping":{}})") return std::move(frame->payload);
  }
  return {};
}

std::string WebSocket::hear(std::string_view name, milliseconds patience) {
  const auto until = Clock::now() + patience;
  const auto begin = "{\"" + std::string(name) + "\":";
  for (;;) {
    auto message = hear(left_until(until));
    if (message.empty() || message.starts_with(begin)) return message;
  }
}

int WebSocket::hear_close(milliseconds patience) {
  const auto until = Clock::now() + patience;
  while (!code_ && next(until)) {
  }
  return code_ ? *code_ : ended_ ? 0 : -1;
}

std::optional<std::string> WebSocket::hear_pong(milliseconds patience) {
  const auto until = Clock::now() + patience;
  while (auto frame = next(until))
    if (frame->opcode == Opcode::kPong) return std::move(frame->payload);
  return std::nullopt;
}

int WebSocket::close() {
  (void)socket_.send(frame_of("\x03\xe8", {.opcode = Opcode::kClose}));
  return hear_close();
}

}  // namespace carillon::testing
