#include "bench/socket_crowd.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bench/clock.h"
#include "bench/interrupt.h"

namespace carillon::bench {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kOpeningMax = 256;  // At a time.
constexpr std::int64_t kOpenWithinNs = 30 * kSecond;
constexpr std::uint8_t kText = 1, kClose = 8;

Error broken(const std::string& what) { return {ErrorCode::UNAVAILABLE, what + ": " + std::strerror(errno)}; }

// A client's text frame. The mask is 0, which a mask may be.
std::string frame_of(std::string_view message) {
  std::string frame{static_cast<char>(0x80 | kText)};
  const std::size_t size = message.size();
  const auto byte = [&](std::uint64_t value) { frame.push_back(static_cast<char>(value & 0xff)); };
  if (size < 126) {
    byte(0x80 | size);
  } else if (size < 65'536) {
    byte(0x80 | 126), byte(size >> 8), byte(size);
  } else {
    byte(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) byte(size >> shift);
  }
  frame.append(4, '\0').append(message);
  return frame;
}

}  // namespace

SocketCrowd::SocketCrowd(client::Address address, Listener listener)
    : address_(std::move(address)),
      listener_(std::move(listener)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kReadBytes) {
  CHECK(epoll_ >= 0);
}

SocketCrowd::~SocketCrowd() {
  for (const Socket& socket : sockets_) close(socket.fd);
  close(epoll_);
}

Result<void> SocketCrowd::open(std::size_t count) {
  const std::size_t all = sockets_.size() + count;
  const std::int64_t give_up_ns = now_ns() + kOpenWithinNs;
  sockets_.reserve(all);
  while (welcomed_ < all) {
    while (sockets_.size() < all && sockets_.size() - welcomed_ < kOpeningMax)
      if (auto connected = connect_one(); !connected.ok()) return connected;
    poll(now_ns() + 10 * kMillisecond);
    if (failed_) return *failed_;
    if (auto going_on = sleep_until_ns(0); !going_on.ok()) return going_on;
    if (now_ns() > give_up_ns)
      return Error{ErrorCode::UNAVAILABLE, "only " + std::to_string(welcomed_) + " of " + std::to_string(all) +
                                               " WebSockets were welcomed in time"};
  }
  return {};
}

Result<void> SocketCrowd::connect_one() {
  const std::size_t place = sockets_.size();
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return broken("cannot open a socket");
  sockets_.push_back({.fd = fd, .received = {}});
  if (receive_buffer_bytes_ > 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes_, sizeof(receive_buffer_bytes_));
  sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = htons(address_.port);
  if (inet_pton(AF_INET, address_.host.c_str(), &there.sin_addr) != 1)
    return Error{ErrorCode::MALFORMED, address_.text() + " is no IPv4 address"};
  if (connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof(there)) != 0)
    return broken("cannot connect to " + address_.text());
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  const std::string request =
      "GET /ws HTTP/1.1\r\nHost: " + address_.text() +
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: carillon.v1\r\n\r\n";
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return broken("cannot ask for a WebSocket");
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.u64 = place;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &interest) != 0) return broken("cannot watch a socket");
  return {};
}

void SocketCrowd::send(std::size_t socket, std::string_view message) {
  const std::string frame = frame_of(message);
  std::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t sent = ::send(sockets_[socket].fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      return fail("cannot send on a WebSocket: " + std::string(std::strerror(errno)));
    }
  }
}

void SocketCrowd::poll(std::int64_t until_ns) { read_ready(until_ns); }

void SocketCrowd::poll_after(std::int64_t pause_ns) {
  const timespec pause{pause_ns / kSecond, pause_ns % kSecond};
  nanosleep(&pause, nullptr);
  while (!failed_ && read_ready(0)) {
  }
}

bool SocketCrowd::read_ready(std::int64_t until_ns) {
  std::array<epoll_event, 256> ready;
  const std::int64_t left = std::max<std::int64_t>(until_ns - now_ns(), 0);
  const timespec longest{left / kSecond, left % kSecond};
  const int count = epoll_pwait2(epoll_, ready.data(), ready.size(), &longest, nullptr);
  for (int i = 0; i < count; ++i) read(ready[static_cast<std::size_t>(i)].data.u64);
  return count == static_cast<int>(ready.size());
}

void SocketCrowd::stop_reading(std::size_t socket) { epoll_ctl(epoll_, EPOLL_CTL_DEL, sockets_[socket].fd, nullptr); }

void SocketCrowd::read_some(std::size_t socket, std::size_t bytes) {
  recv(sockets_[socket].fd, buffer_.data(), std::min(bytes, buffer_.size()), MSG_DONTWAIT);
}

void SocketCrowd::read(std::size_t socket) {
  Socket& from = sockets_[socket];
  const ssize_t count = recv(from.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    stop_reading(socket);
    return fail("the node closed a WebSocket");
  }
  from.received.append(buffer_.data(), static_cast<std::size_t>(count));
  take_messages(socket);
  // 20,000 buffers that once held something would be this process's memory.
  if (from.received.empty()) std::string().swap(from.received);
}

void SocketCrowd::take_messages(std::size_t socket) {
  Socket& from = sockets_[socket];
  std::string_view rest = from.received;
  if (!from.upgraded) {
    const auto end = rest.find("\r\n\r\n");
    if (end == std::string_view::npos) return;
    if (!rest.starts_with("HTTP/1.1 101"))
      return fail("no WebSocket was given: " + std::string(rest.substr(0, rest.find('\r'))));
    from.upgraded = true;
    rest.remove_prefix(end + 4);
  }
  while (rest.size() >= 2) {
    const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(rest[i]); };
    std::uint64_t bytes = at(1) & 0x7f;
    std::size_t header = 2;
    if (bytes >= 126) {
      const std::size_t width = bytes == 126 ? 2 : 8;
      header += width;
      if (rest.size() < header) break;
      bytes = 0;
      for (std::size_t i = 2; i < header; ++i) bytes = bytes << 8 | at(i);
    }
    if (rest.size() - header < bytes) break;
    const auto kind = at(0) & 0x0f;
    const std::string_view message = rest.substr(header, bytes);
    if (kind == kClose) {
      fail("the node closed a WebSocket: " + std::string(message.substr(std::min<std::size_t>(2, message.size()))));
    } else if (message.starts_with(R"({"ping")")) {
      send(socket, R"({"pong":{}})");
    } else if (!from.welcomed) {
      from.welcomed = true;
      ++welcomed_;
    } else {
      listener_(socket, message);
    }
    rest.remove_prefix(header + bytes);
  }
  from.received.erase(0, from.received.size() - rest.size());
}

void SocketCrowd::fail(const std::string& what) {
  if (!failed_) failed_ = Error{ErrorCode::UNAVAILABLE, what};
}

std::uint64_t allow_open_files(std::uint64_t files) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit raised{.rlim_cur = std::max<rlim_t>(limit.rlim_cur, files),
                      .rlim_max = std::max<rlim_t>(limit.rlim_max, files)};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

}  // namespace carillon::bench
