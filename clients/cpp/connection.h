// One connection to a gateway, asynchronous: every call gives a promise.
//
// Single-threaded: belongs to the KJ event loop of the thread that made it. Its promises are never rejected: what goes
// wrong, a lost connection included, is an Error in the Result. Answers are Cap'n Proto's own readers, without a copy, valid as
// long as the answer lives. A promise that is dropped cancels its call. Calls reach the gateway in the order made.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <messages/client.capnp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "clients/cpp/address.h"
#include "clients/cpp/credentials.h"
#include "clients/cpp/publication.h"
#include "messages/event.h"
#include "messages/result.h"

namespace carillon::client {

template <class Results>
using Answer = Result<capnp::Response<Results>>;

struct Follow {
  std::string_view entity;
  Offset from = 1;
};

// A refusal in an answer as an Error.
Error error_of(wire::Refusal::Reader refusal);

class Connection final : private kj::TaskSet::ErrorHandler {
 public:
  using Gateway = wire::Gateway;
  using Deliveries = capnp::List<wire::Delivery>::Reader;
  struct SinkCallbacks {
    std::function<void(Deliveries)> deliver;           // Valid during the call.
    std::function<void(wire::Refusal::Reader)> ended;  // `index` is the place in the request.
  };

  static constexpr std::chrono::seconds kConnectWithin{5};

  // Resolves the name, connects, makes sure that a Cap'n Proto gateway answers, and shows it the token if there is one.
  // UNAVAILABLE names the address and what is wrong; UNAUTHENTICATED says what the node holds against the token.
  static kj::Promise<Result<kj::Own<Connection>>> connect(kj::Network& network, kj::Timer& timer, Address address,
                                                          std::chrono::milliseconds within = kConnectWithin,
                                                          const Credentials& credentials = {});
  // Over a stream that is connected already; `peer` names it in messages.
  Connection(kj::Own<kj::AsyncIoStream> stream, std::string peer);
  ~Connection();
  KJ_DISALLOW_COPY(Connection);

  // Shows the token that the connection acts by; connect() has done so, if it was given one.
  kj::Promise<Answer<Gateway::AuthenticateResults>> authenticate(std::string_view token);
  // Texts are copied before this returns. The answer may hold refusals of single items.
  kj::Promise<Answer<Gateway::PublishResults>> publish(std::string_view producer, std::span<const Publication> batch);
  // Deliveries come until the answer's subscription is dropped. Refused follows are in the answer.
  kj::Promise<Answer<Gateway::SubscribeResults>> subscribe(std::span<const Follow> follows, SinkCallbacks callbacks);

  // A refusal in these answers is the Result's error.
  kj::Promise<Answer<Gateway::ReadResults>> read(std::string_view entity, Offset from, std::uint32_t limit);
  kj::Promise<Answer<Gateway::InspectResults>> inspect(std::string_view entity);
  kj::Promise<Answer<Gateway::StatsResults>> stats();
  // Of one entity, or with an empty name of the whole node.
  kj::Promise<Answer<Gateway::DeadLettersResults>> dead_letters(std::string_view entity);
  kj::Promise<Answer<Gateway::RedriveResults>> redrive(std::string_view entity, Offset offset);
  kj::Promise<Answer<Gateway::DiscardResults>> discard(std::string_view entity, Offset offset);

  // What the node knows of its cluster. UNAVAILABLE on one that runs alone.
  kj::Promise<Answer<Gateway::ClusterResults>> cluster();
  // Asks any node of the cluster to give up what `drain` says.
  kj::Promise<Answer<Gateway::DrainResults>> drain(std::string_view node, wire::Drain drain);

  // Resolves once the connection is lost; then lost_because() says why.
  kj::Promise<void> lost();
  // Resolves when the other side, though connected, has not answered a ping for about `longest`, as when its process is
  // stopped or a cable is cut; then lost_because() says so. Time in which this program itself does not run does not count.
  kj::Promise<void> silent(kj::Timer& timer, std::chrono::milliseconds longest);
  Error lost_because() const { return {ErrorCode::UNAVAILABLE, health_->lost_because}; }
  // Whom the node took it for when connect() showed the token; empty without one.
  const std::string& subject() const { return subject_; }
  // False once a call has met a lost connection, or lost() has resolved.
  bool alive() const { return health_->lost_because.empty(); }

 private:
  // Shared with the continuations of calls, which may outlive the connection.
  struct Health {
    std::string peer;
    std::string lost_because;  // Empty while it is not.
    bool ping_open = false;    // Not answered yet.

    Error error_of(const kj::Exception& exception);
  };

  kj::Promise<Result<void>> admitted(std::string_view token);
  kj::Promise<void> count_missed_pings(kj::Timer& timer, std::chrono::milliseconds longest, int missed);
  void taskFailed(kj::Exception&& exception) override;
  template <class Results>
  kj::Promise<Answer<Results>> settle(capnp::RemotePromise<Results> call);

  std::shared_ptr<Health> health_;
  std::string subject_;
  kj::Own<kj::AsyncIoStream> stream_;
  capnp::TwoPartyVatNetwork network_;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc_;
  Gateway::Client gateway_;
  kj::TaskSet pings_;  // Last: goes first.
};

}  // namespace carillon::client
