// Between a session and its client: passes on what the session delivers one batch at a time, and tells the session when the
// client has taken it in. Belongs to its gateway thread.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "actors/edge.h"
#include "actors/session.h"

namespace carillon::actors {

class Feed {
 public:
  // `pass_on` writes deliveries to the client, without keeping them; its promise is done when there is room for more.
  // `begun` answers follow(), before the follow's first delivery; `ended` says that a follow gets nothing more. All live as
  // long as the feed.
  struct Client {
    std::function<kj::Promise<void>(const std::vector<runtime::Delivery>&)> pass_on;
    std::function<void(std::uint32_t follow, const Error&)> ended;
    std::function<void(std::uint32_t follow, const Result<FollowBegun>&)> begun;  // None for those who only start().
  };

  // At most `credit_bytes`, and what is being read, wait for the client; the session's credit when it is not said. `shared` is
  // for feeds of one connection.
  Feed(Edge& edge, Client client, std::shared_ptr<SharedCredit> shared = nullptr)
      : Feed(edge, std::move(client), edge.edge_limits.session_credit_bytes, std::move(shared)) {}
  Feed(Edge& edge, Client client, std::size_t credit_bytes, std::shared_ptr<SharedCredit> shared = nullptr);
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Begins to follow these, numbered from 0; answers with the follows that were refused. Nothing is passed on before. Called
  // once, or not at all.
  kj::Promise<std::vector<runtime::ItemRefusal>> start(std::vector<std::pair<EntityId, Offset>> follows);
  // Begins one more. Its number is used once in the feed's life.
  void follow(std::uint32_t number, EntityId entity, FollowStart start);
  // What of it is on its way may still come.
  void unfollow(std::uint32_t number);
  // Rejects when the client cannot be reached any more. Called once.
  kj::Promise<void> on_broken();

 private:
  // The follows that were begun together, while not all of them are answered.
  struct Start {
    kj::Own<kj::PromiseFulfiller<std::vector<runtime::ItemRefusal>>> answered;
    std::size_t missing = 0;
    std::vector<runtime::ItemRefusal> refusals;
  };

  void begun(std::uint32_t follow, const Result<FollowBegun>& outcome);
  void deliver(SessionBatch batch);
  void begin(kj::Promise<void> pumping);
  kj::Promise<void> pump();

  Edge& edge_;
  Client client_;
  const std::size_t credit_bytes_;
  std::optional<Start> start_;
  kj::Own<kj::PromiseFulfiller<void>> broken_;
  kj::Promise<void> broken_promise_;
  std::vector<SessionBatch> waiting_;  // Bounded by the session's credit.
  std::size_t taken_bytes_ = 0;        // That the session has not been told of.
  bool pumping_ = false;
  Clock::time_point passing_since_;  // When the client was last given something.
  Session session_;
  kj::Promise<void> pump_ = kj::READY_NOW;
};

}  // namespace carillon::actors
