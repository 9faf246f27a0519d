// A TCP connection without manners: sends any bytes, or none, and reads or does not read what comes back.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "clients/cpp/address.h"

namespace carillon::testing {

class RawSocket {
 public:
  // Connects to a port of this machine. A small `receive_buffer_bytes` makes a reader that stops reading felt at once. `from` is
  // another address of this machine to come from.
  explicit RawSocket(const client::Address& address, int receive_buffer_bytes = 0, const char* from = nullptr);
  ~RawSocket();
  RawSocket(RawSocket&& other) noexcept;
  RawSocket& operator=(RawSocket&&) = delete;

  bool connected() const { return file_ >= 0; }
  // False when the other side closed, or takes nothing for `kPatience`.
  bool send(std::string_view bytes);
  bool send(std::string_view bytes, std::chrono::milliseconds patience);
  // Sends nothing more; the other side sees the end.
  void end();
  // What comes until `mark` is among it; also what came until the other side closed or the deadline passed.
  std::string receive_until(std::string_view mark, std::chrono::milliseconds deadline = kPatience);
  // What comes until the other side closes; `closed` tells whether it did within the deadline.
  std::string receive_all(bool& closed, std::chrono::milliseconds deadline = kPatience);
  // Appends what comes next to `bytes`; false when the other side closed or nothing came within the deadline.
  bool receive_more(std::string& bytes, std::chrono::milliseconds deadline = kPatience);
  bool closed_within(std::chrono::milliseconds deadline);

  static constexpr std::chrono::milliseconds kPatience{20'000};

 private:
  enum class Got { kBytes, kEnd, kNothing };
  Got receive(std::string& bytes, std::chrono::milliseconds deadline);

  int file_ = -1;
};

struct HttpAnswer {
  int status = 0;  // 0: there was no answer.
  std::string header, body;
};
// Sends `request` as it is, on a connection of its own, and reads until the node closes it.
HttpAnswer http(const client::Address& address, std::string_view request);
HttpAnswer http_get(const client::Address& address, std::string_view target);
HttpAnswer http_post(const client::Address& address, std::string_view target, std::string_view body);

}  // namespace carillon::testing
