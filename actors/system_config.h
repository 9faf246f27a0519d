// How CAF is set up in a node.
#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <caf/scheduler/coordinator.hpp>
#include <cstddef>

#include "actors/fair_stealing.h"

namespace carillon::actors {

class SystemConfig : public caf::actor_system_config {
 public:
  explicit SystemConfig(std::size_t threads) {
    set("scheduler.max-threads", threads);
    module_factories.emplace_back([](caf::actor_system& system) -> caf::actor_system::module* {
      return new caf::scheduler::coordinator<FairStealing>(system);
    });
    // A worker without work waits to be woken. By default it would first look about every 50 us, for as long as 25 ms,
    // and then be as late for what comes.
    set("work-stealing.moderate-poll-attempts", std::size_t{0});
    set("logger.verbosity", caf::atom("quiet"));
  }

  // With links to other nodes.
  void load_links() {
    load<caf::io::middleman>();
    // Messages are read by the thread that has read them from their socket: with one worker for that (the default), each
    // would wait to be handed to another thread first, and there is only one socket to a peer anyway.
    set("middleman.workers", std::size_t{0});
    // Only with these does CAF notice a connection of which nothing is left but its sockets.
    set("middleman.heartbeat-interval", caf::timespan(std::chrono::milliseconds(500)));
    set("middleman.connection-timeout", caf::timespan(std::chrono::seconds(3)));
  }
};

}  // namespace carillon::actors
