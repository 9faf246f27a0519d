// Many WebSocket clients on one thread, as lean as can be: what they cost must not be taken for what the node costs.
//
// Speaks docs/protocol.md over raw sockets and epoll; answers pings. Belongs to the thread that made it. Not for programs: a
// socket that is lost stays lost, and what a peer must not send is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/address.h"
#include "messages/result.h"

namespace carillon::bench {

class SocketCrowd {
 public:
  // Gets each message but pings, valid during the call, by the socket's place. It may send, and read no socket.
  using Listener = std::function<void(std::size_t socket, std::string_view message)>;

  SocketCrowd(client::Address address, Listener listener);
  ~SocketCrowd();
  SocketCrowd(const SocketCrowd&) = delete;
  SocketCrowd& operator=(const SocketCrowd&) = delete;

  // What sockets that are opened from now on hold of what was not read, about; instead of what the kernel finds good.
  void set_receive_buffer_bytes(int bytes) { receive_buffer_bytes_ = bytes; }
  // Connects `count` more and waits until each was welcomed.
  Result<void> open(std::size_t count);
  // Waits while the socket is full.
  void send(std::size_t socket, std::string_view message);
  // Hands over what comes until then by now_ns()'s clock; in the past: what is there. Returns early after each wake-up.
  void poll(std::int64_t until_ns);
  // Sleeps for so long, then hands over all that has come: whoever sends need not wake this thread for each message, which
  // on a machine that both share would be most of what sending costs.
  void poll_after(std::int64_t pause_ns);
  // From now on this one is read by read_some() only.
  void stop_reading(std::size_t socket);
  // Throws away up to `bytes` of what came for it.
  void read_some(std::size_t socket, std::size_t bytes);

  std::size_t size() const { return sockets_.size(); }
  const std::optional<Error>& failed() const { return failed_; }  // The first thing that went wrong.

 private:
  struct Socket {
    int fd = -1;
    bool upgraded = false, welcomed = false;
    std::string received;  // Not understood yet.
  };

  Result<void> connect_one();
  bool read_ready(std::int64_t until_ns);  // Whether there may be more.
  void read(std::size_t socket);
  void take_messages(std::size_t socket);
  void fail(const std::string& what);

  client::Address address_;
  Listener listener_;
  int epoll_;
  std::vector<Socket> sockets_;
  std::size_t welcomed_ = 0;
  int receive_buffer_bytes_ = 0;  // 0: the kernel's choice.
  std::vector<char> buffer_;
  std::optional<Error> failed_;
};

// So many files may be open in this process and those that it starts from now on, or as many as the hard limit permits (root can
// raise it). Gives how many.
std::uint64_t allow_open_files(std::uint64_t files);

}  // namespace carillon::bench
