// A publisher: numbers what it sends, keeps several calls in flight, and repeats until everything is acknowledged.
//
// Decisions are those of the real client library (client::Outbox). Connections break, calls seem lost and are made
// again, and now and then something that was acknowledged long ago is sent once more.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/outbox.h"
#include "tests/simulation/gateway.h"
#include "tests/simulation/inbox.h"

namespace carillon::simulation {

class Client {
 public:
  Client(World& world, FindEntrance find_entrance, std::string_view name);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void node_died(const Entrance& node);
  void break_connection();
  // Nothing is under way and everything sent so far is acknowledged.
  bool quiet() const { return outbox_.empty() && strays_under_way_ == 0; }
  // And there is nothing more to come.
  bool done() const { return quiet() && letters_.size() == world_->settings.client_events; }
  // The node may have forgotten what was sent before: nothing of it is repeated.
  void forget() { repeatable_from_ = letters_.size(); }

  const ProducerId& producer() const { return producer_; }
  // Everything sent, in the order of the sequences from 1.
  const std::vector<Letter>& letters() const { return letters_; }

 private:
  struct Wire {
    Entrance* at = nullptr;
    std::shared_ptr<Inbox> up, down;
    ConnectionId id = 0;
  };

  void live();
  void connect(Entrance& at);
  void disconnected();
  void write_some();
  Letter next_letter();
  void pump();
  void send(std::uint64_t call, std::vector<Letter> letters);
  void answered(std::uint64_t call, std::vector<client::Outbox::Refusal> refusals);
  void take_in(const client::Outbox::Outcome& outcome);
  void send_stray(const Letter& letter);

  World* world_;
  FindEntrance find_entrance_;
  ProducerId producer_;
  client::Outbox outbox_;
  std::optional<Wire> wire_;
  std::uint64_t wires_ = 0;
  std::vector<Letter> letters_;
  std::vector<client::CallId> calls_;  // In flight.
  std::map<std::uint64_t, Letter> strays_;
  std::uint64_t last_stray_ = 1ull << 40;
  std::size_t strays_under_way_ = 0;
  std::size_t repeatable_from_ = 0;
  Micros write_every_;
};

}  // namespace carillon::simulation
