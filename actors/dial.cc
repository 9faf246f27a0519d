#include "actors/dial.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <caf/io/all.hpp>

#include <memory>

#include "actors/link.h"

namespace carillon::actors {
namespace {

struct HostAndPort {
  std::string host;
  std::string port;
};

HostAndPort split(const std::string& address) {
  const auto colon = address.rfind(':');
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, colon == std::string::npos ? std::string() : address.substr(colon + 1)};
}

Probe connect_to(const addrinfo& to, std::chrono::milliseconds within) {
  auto fd = std::make_shared<kj::AutoCloseFd>(
      socket(to.ai_family, to.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to.ai_protocol));
  if (fd->get() < 0) return nullptr;
  bool connected = connect(fd->get(), to.ai_addr, to.ai_addrlen) == 0;
  pollfd wait{fd->get(), POLLOUT, 0};
  if (!connected && poll(&wait, 1, static_cast<int>(within.count())) == 1) {
    int error = 0;
    socklen_t size = sizeof error;
    connected = getsockopt(fd->get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
  }
  return connected ? fd : nullptr;
}

Probe probe(const HostAndPort& to, std::chrono::milliseconds within) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(to.host.c_str(), to.port.c_str(), &hints, &found) != 0) return nullptr;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, &freeaddrinfo);
  for (const auto* at = found; at != nullptr; at = at->ai_next)
    if (auto answered = connect_to(*at, within)) return answered;
  return nullptr;
}

}  // namespace

void dial(caf::event_based_actor* self, const DialOptions& options) {
  const auto to = split(options.address);
  caf::strong_actor_ptr reached;
  auto answered = probe(to, options.answer_within);
  if (answered) {
    const auto port = static_cast<std::uint16_t>(std::strtoul(to.port.c_str(), nullptr, 10));
    if (auto remote = self->system().middleman().remote_actor(to.host, port))
      reached = caf::actor_cast<caf::strong_actor_ptr>(*remote);
  }
  self->send(options.reply_to, Dialled{options.attempt, std::move(reached), std::move(answered)});
}

void dial_aside(caf::actor_system& system, DialOptions options) {
  system.spawn<caf::detached>(dial, std::move(options));
}

}  // namespace carillon::actors
