// The connection's side of a session: takes what the session delivers, passes it on one batch at a time, and tells the
// session when the client has taken it in. Belongs to the gateway's thread.
#pragma once

#include <functional>
#include <vector>

#include "actors/edge.h"
#include "actors/session.h"

namespace carillon::actors {

class Feed {
 public:
  // `pass_on` writes deliveries to the client, without keeping them; its promise is done when there is room for more.
  // `ended` says that a follow gets nothing more. Both live as long as the feed.
  struct Client {
    std::function<kj::Promise<void>(const std::vector<SessionDelivery>&)> pass_on;
    std::function<void(std::uint32_t follow, const Error&)> ended;
  };

  Feed(Edge& edge, Client client);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Begins to follow; answers with the follows that were refused. Called once.
  kj::Promise<std::vector<runtime::ItemRefusal>> start(std::vector<std::pair<EntityId, Offset>> follows);
  // Rejects when the client cannot be reached any more. Called once.
  kj::Promise<void> on_broken();

 private:
  void deliver(SessionBatch batch);
  kj::Promise<void> pump();

  Edge& edge_;
  Client client_;
  runtime::SessionId session_id_;
  caf::actor session_;
  kj::Own<kj::PromiseFulfiller<std::vector<runtime::ItemRefusal>>> started_;
  kj::Own<kj::PromiseFulfiller<void>> broken_;
  kj::Promise<void> broken_promise_;
  std::vector<SessionBatch> waiting_;  // Bounded by the session's credit.
  bool pumping_ = false;
  Clock::time_point passing_since_;  // When the client was last given something.
  kj::Promise<void> pump_ = kj::READY_NOW;
};

}  // namespace carillon::actors
