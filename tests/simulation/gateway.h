// The connections of a node's clients, and the way of what they publish to the partitions and back
// (actors/publish_path.cc). Belongs to one Node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "clients/cpp/outbox.h"
#include "messages/producer_id.h"
#include "runtime/publish_calls.h"
#include "tests/simulation/entrance.h"
#include "tests/simulation/inbox.h"

namespace carillon::simulation {

// An event as a client sends it.
struct Letter {
  std::string entity, type, payload;
  Sequence sequence = 0;
  std::string traceparent = {};
};

using ConnectionId = runtime::SessionId;

class Gateway {
 public:
  using Answer = std::function<void(std::uint64_t call, std::vector<client::Outbox::Refusal>)>;

  // Of the node that `entrance` is. Numbers of its connections and sessions begin behind `first_session`.
  Gateway(World& world, Entrance& entrance, ConnectionId first_session = 0,
          std::shared_ptr<const Micros> asleep_until = nullptr);

  // `answer` is called on the gateway's thread.
  ConnectionId connect(ProducerId producer, Answer answer);
  // In the order of the calls, as the bytes of one connection arrive.
  void publish(ConnectionId connection, std::uint64_t call, std::vector<Letter> letters);
  void disconnect(ConnectionId connection);

  // From partitions.
  void answered(runtime::Published published);
  void reloaded(PartitionId partition, std::uint64_t life);

  ConnectionId new_session() { return ++last_session_; }

 private:
  struct Connection {
    ProducerId producer;
    Answer answer;
    runtime::PublishCalls calls;
    std::map<runtime::PublishCalls::Number, std::uint64_t> numbers;  // The client's, of calls begun and not finished.
  };

  void handle(Connection& connection, std::uint64_t number, const std::vector<Letter>& letters);
  void finish(Connection& connection, const runtime::PublishCalls::Finished& finished);

  World* world_;
  Entrance* node_;
  Catalogue catalogue_;
  std::shared_ptr<Inbox> inbox_;
  std::vector<std::uint64_t> lives_;
  ConnectionId last_session_;
  std::map<ConnectionId, Connection> connections_;
};

}  // namespace carillon::simulation
