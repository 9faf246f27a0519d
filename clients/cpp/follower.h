// Follows many entities and resumes where it was after every lost connection: each event once, in order, without a seam (P4).
//
// Runs on the caller's KJ event loop and belongs to its thread; `network` and `timer` must outlive it. Connects by itself
// and keeps trying; with several addresses it goes on with the next one when a node is lost, silent, or cannot reach what is
// followed. Remembers offsets in memory only: who wants to resume in another process saves next_offset().
// A connection may follow 100,000 entities: with more, `disconnected` says so each time; use several followers.
#pragma once

#include <kj/async-io.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clients/cpp/address.h"
#include "clients/cpp/attempts.h"
#include "clients/cpp/connection.h"

namespace carillon::client {

class Follower final : private kj::TaskSet::ErrorHandler {
 public:
  struct Start {
    std::string entity;
    Offset from = 1;
  };
  struct Options {
    Addresses addresses;
    Backoff::Range reconnect{};
    Credentials credentials{};
  };
  // All but `event` may be left out. None may throw or destroy the follower. `entity` is the place in the list of starts.
  struct Callbacks {
    std::function<void(std::size_t entity, Offset, wire::StoredEvent::Reader)> event;  // Valid during the call.
    // The node refuses to go on here, as with TRUNCATED. Gives the offset to continue at, or nothing to give this entity
    // up, which is also what happens without this callback. UNAVAILABLE and OVERLOADED do not come here: it tries again.
    std::function<std::optional<Offset>(std::size_t entity, const Error&)> ended;
    std::function<void()> following;  // Everything is being followed; comes again after each new connection.
    std::function<void(const Error&)>
        disconnected;  // Or could not connect, or the node broke the contiguity of offsets.
  };

  Follower(kj::Network& network, kj::Timer& timer, Options options, std::vector<Start> starts, Callbacks callbacks);
  ~Follower();
  KJ_DISALLOW_COPY(Follower);

  Offset next_offset(std::size_t entity) const { return follows_[entity].next; }
  // Entities that were given up.
  std::size_t given_up() const { return given_up_; }
  std::uint64_t connections() const { return connections_; }

 private:
  struct Followed {
    std::string entity;
    Offset next = 1;
    bool given_up = false;
  };
  using Entities = std::vector<std::uint32_t>;
  // Held while any of what it follows goes on: dropping it ends it.
  struct Subscription {
    std::shared_ptr<Entities> entities;
    std::size_t follows = 0;  // That go on.
    capnp::Response<wire::Gateway::SubscribeResults> answer;
  };
  // One connection's worth of state. Callbacks of an earlier one find it cut off.
  struct Life {
    Follower* follower;
    kj::Own<Connection> connection;
    std::vector<Subscription> subscriptions;
    std::size_t calls_open = 0;               // Subscribe calls without an answer, and retries that wait.
    kj::Own<kj::PromiseFulfiller<void>> end;  // Ends this life.
    std::optional<Error> reason{};            // Why it was ended, unless the connection was lost.

    std::vector<std::uint32_t> waiting{};  // Entities to ask for again.
    std::uint32_t retry_after_ms = 0;
    bool retry_due = false;

    kj::TimePoint open_since =
        kj::origin<kj::TimePoint>();  // Since when there are open calls, or when something came meanwhile.
    bool unavailable = false;         // One of them is for what was unavailable.
    kj::TimePoint unavailable_since = kj::origin<kj::TimePoint>();
  };

  kj::Promise<void> live();
  kj::Promise<void> gone();
  kj::Promise<void> stuck();
  kj::Promise<void> live_again(const Error& error);
  void subscribe(const std::shared_ptr<Life>& life, Entities entities);
  void subscribed(const std::shared_ptr<Life>& life, const std::shared_ptr<Entities>& entities,
                  Answer<wire::Gateway::SubscribeResults> answer);
  void take(Life& life, const Entities& entities, Connection::Deliveries deliveries);
  void ended(const std::shared_ptr<Life>& life, const std::shared_ptr<Entities>& entities,
             wire::Refusal::Reader refusal);
  void refused(const std::shared_ptr<Life>& life, std::uint32_t entity, wire::Refusal::Reader refusal);
  void settle_call(Life& life);
  static void end(Life& life, Error reason);
  void taskFailed(kj::Exception&& exception) override;

  kj::Network& network_;
  kj::Timer& timer_;
  Options options_;
  std::vector<Followed> follows_;
  Callbacks callbacks_;
  Attempts attempts_;
  std::size_t given_up_ = 0;
  std::uint64_t connections_ = 0;
  std::shared_ptr<Life> life_;  // Null while there is none.
  kj::TaskSet tasks_;           // Last: goes first.
};

}  // namespace carillon::client
