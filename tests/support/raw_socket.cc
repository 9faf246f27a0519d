#include "tests/support/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace carillon::testing {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

RawSocket::RawSocket(const client::Address& address, int receive_buffer_bytes, const char* from)
    : file_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer_bytes > 0)
    setsockopt(file_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  if (from != nullptr) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    inet_pton(AF_INET, from, &own.sin_addr);
    (void)bind(file_, reinterpret_cast<const sockaddr*>(&own), sizeof own);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(file_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return;
  close(file_);
  file_ = -1;
}

RawSocket::~RawSocket() {
  if (file_ >= 0) close(file_);
}

RawSocket::RawSocket(RawSocket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

bool RawSocket::send(std::string_view bytes) { return send(bytes, kPatience); }

bool RawSocket::send(std::string_view bytes, milliseconds patience) {
  const timeval longest{.tv_sec = patience.count() / 1'000, .tv_usec = patience.count() % 1'000 * 1'000};
  setsockopt(file_, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
  while (!bytes.empty()) {
    const auto sent = ::send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawSocket::end() { shutdown(file_, SHUT_WR); }

RawSocket::Got RawSocket::receive(std::string& bytes, milliseconds deadline) {
  pollfd in{.fd = file_, .events = POLLIN, .revents = 0};
  if (poll(&in, 1, static_cast<int>(std::max<milliseconds::rep>(deadline.count(), 0))) <= 0) return Got::kNothing;
  std::array<char, 65'536> chunk{};
  const auto got = recv(file_, chunk.data(), chunk.size(), 0);
  if (got <= 0) return Got::kEnd;
  bytes.append(chunk.data(), static_cast<std::size_t>(got));
  return Got::kBytes;
}

std::string RawSocket::receive_until(std::string_view mark, milliseconds deadline) {
  const auto until = Clock::now() + deadline;
  std::string bytes;
  while (bytes.find(mark) == std::string::npos)
    if (receive(bytes, std::chrono::duration_cast<milliseconds>(until - Clock::now())) != Got::kBytes) break;
  return bytes;
}

std::string RawSocket::receive_all(bool& closed, milliseconds deadline) {
  const auto until = Clock::now() + deadline;
  std::string bytes;
  for (;;) {
    const auto got = receive(bytes, std::chrono::duration_cast<milliseconds>(until - Clock::now()));
    closed = got == Got::kEnd;
    if (got != Got::kBytes) return bytes;
  }
}

bool RawSocket::receive_more(std::string& bytes, milliseconds deadline) {
  return receive(bytes, deadline) == Got::kBytes;
}

bool RawSocket::closed_within(milliseconds deadline) {
  bool closed = false;
  (void)receive_all(closed, deadline);
  return closed;
}

HttpAnswer http(const client::Address& address, std::string_view request) {
  RawSocket socket(address);
  (void)socket.send(request);
  bool closed = false;
  const auto text = socket.receive_all(closed);
  HttpAnswer answer;
  const auto split = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.1 ") || split == std::string::npos) return answer;
  answer.status = std::atoi(text.c_str() + 9);
  answer.header = text.substr(0, split);
  answer.body = text.substr(split + 4);
  return answer;
}

HttpAnswer http_get(const client::Address& address, std::string_view target) {
  return http(address, "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

HttpAnswer http_post(const client::Address& address, std::string_view target, std::string_view body) {
  return http(address, "POST " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
}

}  // namespace carillon::testing
