// A client that follows some streams, remembers what it saw, and insists on exactly what comes next (P4).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/mailbox.h"
#include "tests/simulation/entrance.h"
#include "tests/simulation/inbox.h"

namespace carillon::simulation {

class Session;

class Subscriber {
 public:
  struct Stream {
    EntityId entity;
    Offset next = 1;
    std::map<Offset, Event> seen;
  };

  Subscriber(World& world, FindEntrance find_entrance, std::string name);
  ~Subscriber() { disconnected(); }
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  void node_died(const Entrance& node);
  void break_connection();

  const std::string& name() const { return name_; }
  const std::vector<Stream>& streams() const { return streams_; }

 private:
  struct Wire {
    Entrance* at = nullptr;
    std::shared_ptr<Inbox> up, down;
    std::shared_ptr<Session> session;
  };

  void live();
  void connect(Entrance& node);
  void disconnected();
  void take(std::uint32_t follow, const runtime::EventSlice& events);
  void refused(std::uint32_t follow, const Error& error);

  World* world_;
  FindEntrance find_entrance_;
  std::string name_;
  std::vector<Stream> streams_;
  std::optional<Wire> wire_;
  std::uint64_t wires_ = 0;
  Micros pace_;
};

}  // namespace carillon::simulation
