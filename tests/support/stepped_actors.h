// A CAF system whose actors run when the test says so, on its own thread, by a clock that only the test moves: what an actor
// does, and does not do, is known without waiting. Not for detached actors, which have threads of their own.
#pragma once

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <chrono>
#include <utility>

#include "actors/system_config.h"

namespace carillon::testing {

class SteppedActors {
 public:
  SteppedActors() { pass(std::chrono::hours(1)); }  // A clock at its beginning looks like one that was never set.

  caf::actor_system& system() { return system_; }

  // Until nobody has anything to do.
  void run() { scheduler_.run(); }
  void pass(caf::timespan time) {
    run();
    scheduler_.advance_time(time);
    run();
  }
  std::chrono::steady_clock::time_point now() { return scheduler_.clock().now(); }

  // Everything that follows from it is done when this returns.
  template <class Message>
  void tell(const caf::actor& actor, Message message) {
    caf::anon_send(actor, std::move(message));
    run();
  }

  // An actor that calls `heard` with every message of these types.
  template <class... Messages, class Heard>
  caf::actor listener(Heard heard) {
    return system_.spawn([heard](caf::event_based_actor*) {
      return caf::behavior{[heard](const Messages& message) { heard(message); }...};
    });
  }
  void end(const caf::actor& actor) {
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    run();
  }

 private:
  struct Config : actors::SystemConfig {
    Config() : SystemConfig(1) {
      module_factories.clear();  // Its scheduler.
      set("scheduler.policy", caf::atom("testing"));
    }
  };

  Config config_;
  caf::actor_system system_{config_};
  caf::scheduler::test_coordinator& scheduler_ = dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
};

}  // namespace carillon::testing
