// A WebSocket client without manners: any frames, and every message that comes back. Blocking; for tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/raw_socket.h"

namespace carillon::testing {

enum class Opcode : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// The bytes of one frame; a client's are masked.
struct FrameShape {
  Opcode opcode = Opcode::kText;
  bool last = true;
  bool masked = true;
  std::uint8_t reserved_bits = 0;            // Of the first byte.
  std::optional<std::uint64_t> said_length;  // Instead of the payload's own.
};
std::string frame_of(std::string_view payload, const FrameShape& shape = {});

class WebSocket {
 public:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  // Opens one with the subprotocol carillon.v1; `more_header` are lines of their own.
  explicit WebSocket(const client::Address& address, std::string_view more_header = {}, int receive_buffer_bytes = 0,
                     const char* from = nullptr);

  bool opened() const { return opened_; }
  // False when the node has closed.
  bool say(std::string_view message) { return socket_.send(frame_of(message)); }
  bool send(std::string_view bytes) { return socket_.send(bytes); }
  // False as well when the node takes nothing for so long.
  bool send_within(std::string_view bytes, std::chrono::milliseconds patience) { return socket_.send(bytes, patience); }

  // The next message of the node; empty when it closed, or said nothing in time. Pings of the node are passed over.
  std::string hear(std::chrono::milliseconds patience = kPatience);
  // Passes over messages until one begins with {"NAME": and returns it.
  std::string hear(std::string_view name, std::chrono::milliseconds patience = kPatience);
  // Passes over everything until the close comes; its code. 0 when the connection ended without, -1 when it did not end in time.
  int hear_close(std::chrono::milliseconds patience = kPatience);
  // The payload of the next pong of the protocol.
  std::optional<std::string> hear_pong(std::chrono::milliseconds patience = kPatience);
  // Closes, and waits for the node to do so; its code.
  int close();

 private:
  struct Frame {
    Opcode opcode;
    std::string payload;
  };
  std::optional<Frame> next(std::chrono::steady_clock::time_point until);

  RawSocket socket_;
  std::string received_;
  bool opened_ = false;
  bool ended_ = false;
  std::optional<int> code_;
};

}  // namespace carillon::testing
