// How what one connection publishes reaches the partitions, and how the answers come back together.
//
// Belongs to its gateway thread. The rules are runtime::PublishCalls; here are the actors and the room that the node has.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "actors/edge.h"
#include "actors/session_line.h"
#include "actors/visit.h"
#include "runtime/publish_calls.h"

namespace carillon::actors {

class PublishPath {
 public:
  // `visit` is that of the connection, and outlives this; null where nobody counts. `counted` events were counted already.
  explicit PublishPath(Edge& edge, Visit* visit = nullptr, std::uint32_t counted = 0)
      : edge_(edge), visit_(visit), counted_(counted) {}
  ~PublishPath();
  PublishPath(const PublishPath&) = delete;
  PublishPath& operator=(const PublishPath&) = delete;

  // A refusal for each event of an absurd list would cost more than the list: such a call is refused as one.
  std::optional<Error> refusal_of_all(std::size_t count) const;
  // The answer comes when everything that was accepted is durable. `item(i)` views stay valid during the call only. What
  // `rights` do not allow is refused, item by item.
  kj::Promise<runtime::PublishOutcome> publish(const access::Rights& rights, const ProducerId& producer,
                                               std::uint32_t count, const runtime::PublishCalls::Item& item);

  // From the edge.
  void answered(const runtime::Published& published);
  void reloaded(PartitionId partition);

  // Nothing of it is under way.
  bool is_idle() const { return waiting_.empty(); }
  // Of one that has published.
  runtime::SessionId session() const { return line_->id(); }
  // Nothing more will be published.
  void connection_ended() { visit_ = nullptr; }

 private:
  struct Waiting {
    Clock::time_point received;
    bool is_limited = false;  // Refused for whose it is, not for load.
    kj::Own<kj::PromiseFulfiller<runtime::PublishOutcome>> fulfiller;
  };

  void open_session();
  std::optional<Error> refusal_now(std::size_t events, std::size_t bytes);
  void finish(runtime::PublishCalls::Finished finished);
  void account();

  Edge& edge_;
  Visit* visit_;
  std::uint32_t counted_;
  std::optional<SessionLine> line_;  // Opened with the first call.
  std::optional<runtime::PublishCalls> calls_;
  std::unordered_map<runtime::PublishCalls::Number, Waiting> waiting_;
  std::size_t events_accounted_ = 0;  // What the edge knows of this connection.
  std::size_t bytes_accounted_ = 0;
};

}  // namespace carillon::actors
