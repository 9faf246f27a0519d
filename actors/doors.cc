#include "actors/doors.h"

#include <spdlog/spdlog.h>

namespace carillon::actors {

std::string Doors::open(const std::string& address, GatewayLoop::Port port) {
  auto& io = here_.io();
  auto parsed = io.provider->getNetwork().parseAddress(address.c_str()).wait(io.waitScope);
  auto receiver = parsed->listen();
  const auto number = receiver->getPort();
  auto& listening = *receiver;
  listeners_.add(accept(listening, port).attach(kj::mv(receiver)).eagerlyEvaluate([](kj::Exception&& failed) {
    spdlog::error("a listener ended: {}", failed.getDescription().cStr());
  }));
  return address.substr(0, address.rfind(':')) + ":" + std::to_string(number);
}

kj::Promise<void> Doors::accept(kj::ConnectionReceiver& receiver, GatewayLoop::Port port) {
  return receiver.accept().then(
      [this, &receiver, port](kj::Own<kj::AsyncIoStream> stream) {
        let_in(kj::mv(stream), port);
        return accept(receiver, port);
      },
      [this, &receiver, port](kj::Exception&& failed) {
        // Out of file descriptors, most likely: others may end meanwhile.
        spdlog::warn("cannot accept a connection: {}", failed.getDescription().cStr());
        return here_.edge().timer.afterDelay(100 * kj::MILLISECONDS).then([this, &receiver, port] {
          return accept(receiver, port);
        });
      });
}

void Doors::let_in(kj::Own<kj::AsyncIoStream> stream, GatewayLoop::Port port) {
  std::size_t all = 0;
  auto* idlest = team_->front();
  for (auto* loop : *team_) {
    all += loop->load();
    if (loop->load() < idlest->load()) idlest = loop;
  }
  auto& edge = here_.edge();
  if (all >= edge.edge_limits.connections_max) {
    ++edge.counters.connections_refused;  // Closed at once.
  } else if (idlest == &here_) {
    here_.serve(kj::mv(stream), port);
  } else if (!idlest->give(kj::mv(stream), port)) {
    ++edge.counters.connections_refused;
    if (const auto unlogged = refusals_named_.next(Clock::now()))
      spdlog::warn(
          "a connection was closed at once: the process may open no more files (see ulimit -n); {} more before "
          "it, not logged",
          *unlogged);
  }
}

}  // namespace carillon::actors
