// A client for programs without an event loop of their own: blocking calls over one connection.
//
// Owns the KJ event loop of its thread: at most one per thread, used by that thread only. Publishers and followers can
// be run on it as well:
//
//   Session session;
//   Publisher publisher(session.network(), session.timer(), {.addresses = address, .producer = "me"}, {});
//   while (!publisher.offer(publication)) session.wait(publisher.has_room());
//   session.wait(publisher.is_done());
#pragma once

#include <kj/async-io.h>

#include <optional>
#include <span>
#include <string_view>

#include "clients/cpp/address.h"
#include "clients/cpp/connection.h"

namespace carillon::client {

class Session {
 public:
  Session() : io_(kj::setupAsyncIo()) {}

  kj::Network& network() { return io_.provider->getNetwork(); }
  kj::Timer& timer() { return io_.provider->getTimer(); }
  kj::AsyncIoContext& io() { return io_; }

  // Runs the event loop until `promise` is fulfilled.
  template <class T>
  T wait(kj::Promise<T> promise) {
    return promise.wait(io_.waitScope);
  }
  // The same for at most `longest`; false when that was not long enough.
  bool wait_at_most(std::chrono::milliseconds longest, kj::Promise<void> promise) {
    catch_up();
    return promise.then([] { return true; })
        .exclusiveJoin(timer().afterDelay(longest.count() * kj::MILLISECONDS).then([] { return false; }))
        .wait(io_.waitScope);
  }

  // KJ's clock stands still while its loop does not run, and a deadline by it would be over before it began: to be called
  // before a promise with a deadline is made, by those who make their own.
  void catch_up() { timer().afterDelay(0 * kj::SECONDS).wait(io_.waitScope); }

  // Before the calls below; again after the connection was lost.
  // Several addresses are tried in turn; all must fail before it is an error, and that is the last one's.
  Result<void> connect(const Addresses& addresses, const Credentials& credentials = {}) {
    std::optional<Error> error;
    catch_up();
    for (const Address& address : addresses.all()) {
      const bool is_last = &address == &addresses.all().back();
      auto connected = wait(Connection::connect(network(), timer(), address,
                                                is_last ? Connection::kConnectWithin : kNextAfter, credentials));
      if (connected.ok()) {
        connection_ = kj::mv(*connected);
        return {};
      }
      error = connected.error();
    }
    return std::move(*error);
  }
  // Whether connect() went well and no call has met a lost connection since.
  bool connected() const { return connection_.get() != nullptr && connection_->alive(); }

  // Whom the node takes us for; empty without a token.
  const std::string& subject() { return connection().subject(); }

  // One try each; Connection says what they give.
  Answer<wire::Gateway::PublishResults> publish(std::string_view producer, std::span<const Publication> batch) {
    return wait(connection().publish(producer, batch));
  }
  Answer<wire::Gateway::ReadResults> read(std::string_view entity, Offset from, std::uint32_t limit) {
    return wait(connection().read(entity, from, limit));
  }
  Answer<wire::Gateway::InspectResults> inspect(std::string_view entity) { return wait(connection().inspect(entity)); }
  Answer<wire::Gateway::StatsResults> stats() { return wait(connection().stats()); }
  Answer<wire::Gateway::DeadLettersResults> dead_letters(std::string_view entity) {
    return wait(connection().dead_letters(entity));
  }
  Answer<wire::Gateway::RedriveResults> redrive(std::string_view entity, Offset offset) {
    return wait(connection().redrive(entity, offset));
  }
  Answer<wire::Gateway::DiscardResults> discard(std::string_view entity, Offset offset) {
    return wait(connection().discard(entity, offset));
  }
  Answer<wire::Gateway::ClusterResults> cluster() { return wait(connection().cluster()); }
  Answer<wire::Gateway::DrainResults> drain(std::string_view node, wire::Drain drain) {
    return wait(connection().drain(node, drain));
  }

 private:
  static constexpr std::chrono::milliseconds kNextAfter{1'000};

  Connection& connection() {
    CHECK(connection_.get() != nullptr);
    return *connection_;
  }

  kj::AsyncIoContext io_;
  kj::Own<Connection> connection_;
};

}  // namespace carillon::client
