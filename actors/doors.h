// The ports of a gateway: accepts connections, and gives each to the thread that has the fewest. Belongs to one of these threads.
#pragma once

#include <kj/async-io.h>

#include <memory>
#include <string>

#include "actors/gateway_loop.h"
#include "actors/log_pause.h"

namespace carillon::actors {

class Doors {
 public:
  // `here`, the loop of this thread, outlives the doors; `team` has those of all threads.
  Doors(GatewayLoop& here, std::shared_ptr<const GatewayLoop::Team> team) : here_(here), team_(std::move(team)) {}

  // Listens from here on; the address with the port that it got. Throws kj::Exception. Not while the loop runs.
  std::string open(const std::string& address, GatewayLoop::Port port);
  void close() { listeners_.clear(); }

 private:
  kj::Promise<void> accept(kj::ConnectionReceiver& receiver, GatewayLoop::Port port);
  void let_in(kj::Own<kj::AsyncIoStream> stream, GatewayLoop::Port port);

  GatewayLoop& here_;
  std::shared_ptr<const GatewayLoop::Team> team_;
  LogPause refusals_named_;  // In the log.
  kj::Vector<kj::Promise<void>> listeners_;
};

}  // namespace carillon::actors
