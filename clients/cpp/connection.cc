#include "clients/cpp/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <tuple>
#include <utility>

#include "messages/gathering_stream.h"

namespace carillon::client {
namespace {

// A peer that says nothing, not even that it received, is gone after about this long.
constexpr int kSilenceMs = 15'000;
constexpr int kPingsMissedMax = 4;
constexpr int kKeepaliveIdleSeconds = 6, kKeepaliveEverySeconds = 3, kKeepaliveProbes = 3;

// An answer of the dead letters may be large: 1,000 payloads of 64 KiB.
constexpr capnp::ReaderOptions kReaderOptions{.traversalLimitInWords = 256ull * 1024 * 1024 / 8, .nestingLimit = 64};

constexpr std::size_t kWordBytes = sizeof(capnp::word);

std::size_t text_words(std::size_t bytes) { return (bytes + 1 + kWordBytes - 1) / kWordBytes; }

kj::StringPtr reason_of(const kj::Exception& exception) { return exception.getDescription(); }

// Text of Cap'n Proto ends with a NUL, views do not.
template <class Init>
void put(std::string_view text, Init&& init) {
  auto builder = init(static_cast<unsigned>(text.size()));
  if (!text.empty()) std::memcpy(builder.begin(), text.data(), text.size());
}

void tune(kj::AsyncIoStream& stream) {
  const auto set = [&](int level, int option, int value) {
    // Not a TCP socket: then there is nothing to tune.
    kj::runCatchingExceptions([&] { stream.setsockopt(level, option, &value, sizeof value); });
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kSilenceMs);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveEverySeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
}

class Sink final : public wire::NotificationSink::Server {
 public:
  explicit Sink(Connection::SinkCallbacks callbacks) : callbacks_(std::move(callbacks)) {}

  kj::Promise<void> deliver(DeliverContext context) override {
    callbacks_.deliver(context.getParams().getDeliveries());
    return kj::READY_NOW;
  }
  kj::Promise<void> ended(EndedContext context) override {
    callbacks_.ended(context.getParams().getRefusal());
    return kj::READY_NOW;
  }

 private:
  Connection::SinkCallbacks callbacks_;
};

wire::Gateway::Client bootstrap(capnp::RpcSystem<capnp::rpc::twoparty::VatId>& rpc) {
  capnp::MallocMessageBuilder message(8);
  auto server = message.initRoot<capnp::rpc::twoparty::VatId>();
  server.setSide(capnp::rpc::twoparty::Side::SERVER);
  return rpc.bootstrap(server).castAs<wire::Gateway>();
}

}  // namespace

Error error_of(wire::Refusal::Reader refusal) {
  return {refusal.getCode(), std::string(refusal.getMessage().cStr(), refusal.getMessage().size()),
          refusal.getFirstOffset()};
}

Error Connection::Health::error_of(const kj::Exception& exception) {
  const auto reason = reason_of(exception);
  if (exception.getType() == kj::Exception::Type::DISCONNECTED) {
    if (lost_because.empty()) lost_because = "the connection to " + peer + " is lost: " + reason.cStr();
    return {ErrorCode::UNAVAILABLE, lost_because};
  }
  if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED)
    return {ErrorCode::MALFORMED, peer + " does not know this request; is it of an older version?"};
  return {ErrorCode::UNAVAILABLE, peer + " failed: " + reason.cStr()};
}

kj::Promise<Result<kj::Own<Connection>>> Connection::connect(kj::Network& network, kj::Timer& timer, Address address,
                                                             std::chrono::milliseconds within,
                                                             const Credentials& credentials) {
  using Connected = Result<kj::Own<Connection>>;
  auto peer = address.text();
  auto token = token_to_show(credentials);
  if (!token) return Connected(token.error());
  auto attempt =
      kj::evalNow([&] { return network.parseAddress(address.host.c_str(), address.port); })
          .then([](kj::Own<kj::NetworkAddress> resolved) {
            auto connecting = resolved->connect();
            return connecting.attach(kj::mv(resolved));
          })
          .then([credentials, address](kj::Own<kj::AsyncIoStream> stream) -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
            if (!credentials.tls) return kj::mv(stream);
            return wrap_in_tls(credentials, address, kj::mv(stream));
          })
          .then([peer, token = *token](kj::Own<kj::AsyncIoStream> stream) {
            auto connection = kj::heap<Connection>(kj::mv(stream), peer);
            auto admitted = connection->admitted(token);
            return admitted.then([connection = kj::mv(connection)](const Result<void>& result) mutable -> Connected {
              if (!result.ok()) return result.error();
              return kj::mv(connection);
            });
          });
  return timer.timeoutAfter(within.count() * kj::MILLISECONDS, kj::mv(attempt))
      .catch_([peer, within](kj::Exception&& exception) -> Connected {
        std::string why = reason_of(exception).cStr();
        if (exception.getType() == kj::Exception::Type::OVERLOADED)
          why = "no answer within " + std::to_string(within.count()) + " ms";
        return Error{ErrorCode::UNAVAILABLE, "cannot connect to " + peer + ": " + why};
      });
}

Connection::Connection(kj::Own<kj::AsyncIoStream> stream, std::string peer)
    : health_(std::make_shared<Health>(Health{std::move(peer), {}})),
      stream_(kj::heap<GatheringStream>(kj::mv(stream))),
      network_(*stream_, capnp::rpc::twoparty::Side::CLIENT, kReaderOptions),
      rpc_(capnp::makeRpcClient(network_)),
      gateway_(bootstrap(rpc_)),
      pings_(*this) {
  tune(*stream_);
}

Connection::~Connection() = default;

template <class Results>
kj::Promise<Answer<Results>> Connection::settle(capnp::RemotePromise<Results> call) {
  // Only the promise is kept, not the pipeline: so the answer is released with the response.
  kj::Promise<capnp::Response<Results>>& promise = call;
  return promise.then(
      [](capnp::Response<Results>&& response) -> Answer<Results> {
        if constexpr (requires { response.hasRefusal(); })
          if (response.hasRefusal()) return error_of(response.getRefusal());
        return kj::mv(response);
      },
      [health = health_](kj::Exception&& exception) -> Answer<Results> { return health->error_of(exception); });
}

kj::Promise<Result<void>> Connection::admitted(std::string_view token) {
  if (token.empty())
    return gateway_.whenResolved().then(
        [] { return Result<void>(); },
        [health = health_](kj::Exception&& exception) -> Result<void> { return health->error_of(exception); });
  return authenticate(token).then([this](Answer<Gateway::AuthenticateResults> answer) -> Result<void> {
    if (!answer) return answer.error();
    subject_.assign(answer->getSubject().cStr(), answer->getSubject().size());
    return {};
  });
}

kj::Promise<Answer<wire::Gateway::AuthenticateResults>> Connection::authenticate(std::string_view token) {
  auto request = gateway_.authenticateRequest();
  put(token, [&](unsigned bytes) { return request.initToken(bytes); });
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::PublishResults>> Connection::publish(std::string_view producer,
                                                                       std::span<const Publication> batch) {
  // The size of the message, so that it is one segment.
  std::size_t words = 16 + text_words(producer.size());
  for (const Publication& item : batch)
    words += 5 + text_words(item.entity.size()) + text_words(item.type.size()) + text_words(item.payload.size()) +
             (item.traceparent.empty() ? 0 : text_words(item.traceparent.size()));
  auto request = gateway_.publishRequest(capnp::MessageSize{words, 0});
  put(producer, [&](unsigned bytes) { return request.initProducer(bytes); });
  auto items = request.initBatch(static_cast<unsigned>(batch.size()));
  unsigned index = 0;
  for (const Publication& item : batch) {
    auto builder = items[index++];
    put(item.entity, [&](unsigned bytes) { return builder.initEntity(bytes); });
    put(item.type, [&](unsigned bytes) { return builder.initType(bytes); });
    put(item.payload, [&](unsigned bytes) { return builder.initPayload(bytes); });
    builder.setSequence(item.sequence);
    if (!item.traceparent.empty())
      put(item.traceparent, [&](unsigned bytes) { return builder.initTraceparent(bytes); });
  }
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::SubscribeResults>> Connection::subscribe(std::span<const Follow> follows,
                                                                           SinkCallbacks callbacks) {
  std::size_t words = 16;
  for (const Follow& follow : follows) words += 2 + text_words(follow.entity.size());
  auto request = gateway_.subscribeRequest(capnp::MessageSize{words, 1});
  auto list = request.initFollows(static_cast<unsigned>(follows.size()));
  unsigned index = 0;
  for (const Follow& follow : follows) {
    auto builder = list[index++];
    put(follow.entity, [&](unsigned bytes) { return builder.initEntity(bytes); });
    builder.setFrom(follow.from);
  }
  request.setSink(kj::heap<Sink>(std::move(callbacks)));
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::ReadResults>> Connection::read(std::string_view entity, Offset from,
                                                                 std::uint32_t limit) {
  auto request = gateway_.readRequest();
  put(entity, [&](unsigned bytes) { return request.initEntity(bytes); });
  request.setFrom(from);
  request.setLimit(limit);
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::InspectResults>> Connection::inspect(std::string_view entity) {
  auto request = gateway_.inspectRequest();
  put(entity, [&](unsigned bytes) { return request.initEntity(bytes); });
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::StatsResults>> Connection::stats() { return settle(gateway_.statsRequest().send()); }

kj::Promise<Answer<wire::Gateway::DeadLettersResults>> Connection::dead_letters(std::string_view entity) {
  auto request = gateway_.deadLettersRequest();
  put(entity, [&](unsigned bytes) { return request.initEntity(bytes); });
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::RedriveResults>> Connection::redrive(std::string_view entity, Offset offset) {
  auto request = gateway_.redriveRequest();
  put(entity, [&](unsigned bytes) { return request.initEntity(bytes); });
  request.setOffset(offset);
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::DiscardResults>> Connection::discard(std::string_view entity, Offset offset) {
  auto request = gateway_.discardRequest();
  put(entity, [&](unsigned bytes) { return request.initEntity(bytes); });
  request.setOffset(offset);
  return settle(request.send());
}

kj::Promise<Answer<wire::Gateway::ClusterResults>> Connection::cluster() {
  return settle(gateway_.clusterRequest().send());
}

kj::Promise<Answer<wire::Gateway::DrainResults>> Connection::drain(std::string_view node, wire::Drain drain) {
  auto request = gateway_.drainRequest();
  put(node, [&](unsigned bytes) { return request.initNode(bytes); });
  request.setDrain(drain);
  return settle(request.send());
}

kj::Promise<void> Connection::silent(kj::Timer& timer, std::chrono::milliseconds longest) {
  return count_missed_pings(timer, longest, 0);
}

kj::Promise<void> Connection::count_missed_pings(kj::Timer& timer, std::chrono::milliseconds longest, int missed) {
  if (missed == kPingsMissedMax) {
    if (health_->lost_because.empty())
      health_->lost_because =
          health_->peer + " has been silent for " + std::to_string(longest.count()) + " ms, though connected";
    return kj::READY_NOW;
  }
  if (!std::exchange(health_->ping_open, true)) {
    // Asking for the gateway once more is the smallest question of all; every Cap'n Proto server answers it.
    auto again = kj::heap(bootstrap(rpc_));
    auto resolved = again->whenResolved();
    pings_.add(resolved.attach(kj::mv(again))
                   .then([health = health_] { health->ping_open = false; },
                         [](kj::Exception&&) {}));  // A lost connection is lost()'s business.
  }
  return timer.afterDelay(longest.count() * kj::MILLISECONDS / kPingsMissedMax)
      .then([] { return kj::evalLast([] {}); })  // What has arrived meanwhile is looked at first.
      .then([this, &timer, longest, missed] {
        return count_missed_pings(timer, longest, health_->ping_open ? missed + 1 : 0);
      });
}

void Connection::taskFailed(kj::Exception&&) {}  // A ping: its failure was taken.

kj::Promise<void> Connection::lost() {
  return network_.onDisconnect().then(
      [health = health_] {
        // Notes the reason, unless a call did.
        std::ignore = health->error_of(
            kj::Exception(kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__, kj::str("the other side closed it")));
      },
      [health = health_](kj::Exception&& exception) { std::ignore = health->error_of(exception); });
}

}  // namespace carillon::client
