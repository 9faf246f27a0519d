#include "actors/rpc.h"

#include <capnp/rpc-twoparty.h>
#include <messages/client.capnp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

#include "actors/cluster_report.h"
#include "actors/entitlement.h"
#include "actors/feed.h"
#include "actors/publish_path.h"
#include "actors/questions.h"
#include "actors/receiving_stream.h"
#include "actors/rpc_guard.h"
#include "actors/wire_answers.h"
#include "messages/gathering_stream.h"

namespace carillon::actors {
namespace {

// What waits to be written to a client before no more is read from it.
constexpr std::size_t kQueuedBytesMax = 4u << 20, kQueuedMessagesMax = 1'024;
// Calls that are answered and not finished, beside twice those that may be under way.
constexpr std::size_t kUnfinishedMax = 16'384;
constexpr std::size_t kQuestionsMax = 16;  // Of one connection under way; each may be answered with a MiB.

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
capnp::Text::Reader text(const std::string& string) { return {string.data(), string.size()}; }

std::optional<cluster::Drain> drain_of(wire::Drain drain) {
  switch (drain) {
    case wire::Drain::EVERYTHING:
      return cluster::Drain::kAll;
    case wire::Drain::PRIMARIES:
      return cluster::Drain::kPrimaries;
    case wire::Drain::NOTHING:
      break;
  }
  return std::nullopt;
}

// Ends the connection. Those who may have to may outlive it.
using HangUp = std::shared_ptr<kj::Own<kj::PromiseFulfiller<void>>>;

// A subscription: the feed lives as long as the client holds the capability.
class SubscriptionServer final : public wire::Subscription::Server {
 public:
  // `of_connection` counts what the connection follows, of which `follows` here; at least one.
  SubscriptionServer(Edge& edge, wire::NotificationSink::Client sink, std::size_t follows,
                     std::shared_ptr<std::size_t> of_connection, std::shared_ptr<SharedCredit> credit, HangUp hang_up)
      : sink_(kj::mv(sink)),
        live_(follows, true),
        counted_(follows),
        of_connection_(std::move(of_connection)),
        feed_(edge,
              {[this](const auto& deliveries) { return pass_on(deliveries); },
               [this, &edge](std::uint32_t follow, const Error& error) {
                 follow_ended(follow);
                 tell_ended(edge.edge_limits, follow, error).detach([](kj::Exception&&) {});
               }},
              std::move(credit)) {
    *of_connection_ += counted_;
    telling_ = feed_.on_broken()
                   .catch_([this, &edge](kj::Exception&&) { return tell_broken(edge.edge_limits, 0); })
                   // One whose deliveries fail of their own is told nothing more by it.
                   .eagerlyEvaluate([hang_up = std::move(hang_up)](kj::Exception&&) { (*hang_up)->fulfill(); });
  }
  ~SubscriptionServer() noexcept(false) { *of_connection_ -= counted_; }

  // It gets nothing more, and counts no more; but the subscription counts as long as the client holds it.
  void follow_ended(std::uint32_t follow) {
    live_[follow] = false;
    if (counted_ == 1) return;
    --counted_;
    --*of_connection_;
  }
  Feed& feed() { return feed_; }

 private:
  kj::Promise<void> pass_on(const std::vector<runtime::Delivery>& deliveries) {
    std::size_t words = 8;
    for (const auto& delivery : deliveries) {
      words += 4;
      for (const auto* event : delivery.events.events)
        words += 13 + (event->traceparent ? TraceParent::kTextBytes / 8 + 1 : 0) +
                 (event->payload.size() + event->type.size() + event->producer.stored().size()) / 8;
    }
    auto request = sink_.deliverRequest(capnp::MessageSize{words, 0});
    auto out = request.initDeliveries(static_cast<unsigned>(deliveries.size()));
    for (unsigned i = 0; i < deliveries.size(); ++i) {
      const auto& slice = deliveries[i].events;
      out[i].setFollow(deliveries[i].follow);
      out[i].setFirstOffset(slice.first);
      auto events = out[i].initEvents(static_cast<unsigned>(slice.events.size()));
      for (unsigned e = 0; e < slice.events.size(); ++e) write(events[e], *slice.events[e]);
    }
    return request.send();
  }

  kj::Promise<void> tell_ended(const EdgeLimits& limits, std::uint32_t follow, const Error& error) {
    auto request = sink_.endedRequest();
    write(limits, request.initRefusal(), follow, error);
    return request.send().ignoreResult();
  }
  // The client did not take a delivery, and gets none any more; it must not wait for them. One word after the other.
  kj::Promise<void> tell_broken(const EdgeLimits& limits, std::uint32_t from) {
    while (from < live_.size() && !live_[from]) ++from;
    if (from == live_.size()) return kj::READY_NOW;
    return tell_ended(limits, from, {ErrorCode::UNAVAILABLE, "a delivery was not taken in; follow again", 0})
        .then([this, &limits, from] { return tell_broken(limits, from + 1); });
  }

  wire::NotificationSink::Client sink_;
  std::vector<bool> live_;  // By follow.
  std::size_t counted_;
  const std::shared_ptr<std::size_t> of_connection_;  // Subscriptions may outlive it.
  Feed feed_;
  kj::Promise<void> telling_ = nullptr;
};

class GatewayServer final : public wire::Gateway::Server {
 public:
  GatewayServer(Edge& edge, const NodeStatsSource& stats, Entitlement& entitlement, Visit& visit, HangUp hang_up)
      : edge_(edge),
        stats_(stats),
        entitlement_(entitlement),
        visit_(visit),
        hang_up_(std::move(hang_up)),
        publish_path_(edge, &visit) {}

  // What of its calls has begun is still answered, to nobody; none begins.
  void connection_ended() { is_connected_ = false; }
  DispatchCallResult dispatchCall(std::uint64_t interface, std::uint16_t method,
                                  capnp::CallContext<capnp::AnyPointer, capnp::AnyPointer> context) override {
    KJ_REQUIRE(is_connected_, "the connection has ended");
    return wire::Gateway::Server::dispatchCall(interface, method, context);
  }

  kj::Promise<void> authenticate(AuthenticateContext context) override {
    auto results = context.getResults();
    const auto& rights = entitlement_.rights();
    const auto refusal = visit_.request();
    auto authenticated =
        refusal ? *refusal
        : rights.expires_at_ms()
            ? Error{ErrorCode::FORBIDDEN, "this connection has shown its token; open another one for another token", 0}
            : entitlement_.authenticate(view(context.getParams().getToken()),
                                        [this](const access::Rights& shown) { return visit_.enter(shown); });
    if (!authenticated) {
      write(edge_.edge_limits, results.initRefusal(), 0, authenticated.error());
      return kj::READY_NOW;
    }
    results.setSubject(text(rights.subject()));
    results.setExpiresAtMs(rights.expires_at_ms().value_or(0));
    return kj::READY_NOW;
  }

  kj::Promise<void> publish(PublishContext context) override {
    const auto params = context.getParams();
    const auto batch = params.getBatch();
    const auto producer = ProducerId::client(view(params.getProducer()));
    const auto refusal = publish_path_.refusal_of_all(batch.size());
    if (refusal) KJ_FAIL_REQUIRE(refusal->message);  // NOLINT(bugprone-suspicious-semicolon): in the macro.
    if (!producer) {
      auto refusals = context.getResults().initRefusals(batch.size());
      for (unsigned i = 0; i < batch.size(); ++i) write(edge_.edge_limits, refusals[i], i, producer.error());
      return kj::READY_NOW;
    }
    auto outcome = publish_path_.publish(entitlement_.rights(), *producer, batch.size(), [&](std::uint32_t i) {
      const auto item = batch[i];
      return runtime::PublicationView{view(item.getEntity()), view(item.getType()), view(item.getPayload()),
                                      item.getSequence(), TraceParent::parse(view(item.getTraceparent()))};
    });
    context.releaseParams();
    return outcome.then([this, context](const runtime::PublishOutcome& done) mutable {
      auto results = context.getResults(capnp::MessageSize{8 + 32 * done.refusals.size(), 0});
      results.setAccepted(done.accepted);
      results.setDuplicates(done.duplicates);
      if (!done.refusals.empty())
        write(edge_.edge_limits, results.initRefusals(static_cast<unsigned>(done.refusals.size())), done.refusals);
    });
  }

  kj::Promise<void> subscribe(SubscribeContext context) override {
    const auto params = context.getParams();
    const auto asked = params.getFollows().size();
    if (asked + *follows_ > edge_.edge_limits.follows_max) {
      write(edge_.edge_limits, context.getResults().initRefusals(1)[0], 0,
            {ErrorCode::LIMIT_EXCEEDED,
             "a connection follows at most " + std::to_string(edge_.edge_limits.follows_max) +
                 " entities in all its subscriptions",
             0});
      return kj::READY_NOW;
    }
    auto admitted = entitlement_.rights().check_authenticated();
    if (admitted)
      if (const auto too_much = visit_.request()) admitted = *too_much;
    if (asked == 0) return kj::READY_NOW;  // There is nothing to hold.
    std::vector<runtime::ItemRefusal> refusals;
    std::vector<std::pair<EntityId, Offset>> follows;
    std::uint32_t index = 0;
    for (const auto follow : params.getFollows()) {
      auto entity = admitted ? runtime::check_entity(view(follow.getEntity()), edge_.catalogue)
                             : Result<EntityId>(admitted.error());
      if (entity)
        if (auto allowed = entitlement_.rights().check_read(entity->text()); !allowed) entity = allowed.error();
      if (entity && follow.getFrom() == 0)
        entity = Error{ErrorCode::MALFORMED, "offsets count from 1; this one is 0", 0};
      if (!entity)
        refusals.push_back({index, entity.error()});
      else
        follows.emplace_back(std::move(*entity), follow.getFrom());
      ++index;
    }
    if (!refusals.empty()) {
      // The places of deliveries are those of the request, so a list with a hole is refused whole.
      write(edge_.edge_limits, context.getResults().initRefusals(static_cast<unsigned>(refusals.size())), refusals);
      return kj::READY_NOW;
    }
    auto server = kj::heap<SubscriptionServer>(edge_, params.getSink(), asked, follows_, credit_, hang_up_);
    auto& subscribed = *server;
    wire::Subscription::Client subscription = kj::mv(server);
    return subscribed.feed()
        .start(std::move(follows))
        .then([this, context, asked, &subscribed, subscription = kj::mv(subscription)](auto refused) mutable {
          auto results = context.getResults();
          for (const auto& refusal : refused) subscribed.follow_ended(refusal.index);
          if (refused.size() < asked) results.setSubscription(kj::mv(subscription));
          write(edge_.edge_limits, results.initRefusals(static_cast<unsigned>(refused.size())), refused);
        });
  }

  kj::Promise<void> read(ReadContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    const auto params = context.getParams();
    return question(
        read_page(edge_, entitlement_.rights(), view(params.getEntity()), params.getFrom(), params.getLimit())
            .then([this, context](Result<Page> page) mutable {
              auto results = context.getResults();
              if (!page) return write(edge_.edge_limits, results.initRefusal(), 0, page.error());
              results.setFirstOffset(page->run.first);
              results.setLastOffset(page->last);
              auto events = results.initEvents(static_cast<unsigned>(page->run.events.size()));
              for (unsigned i = 0; i < page->run.events.size(); ++i) write(events[i], page->run.events[i]);
            }));
  }

  kj::Promise<void> inspect(InspectContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    return question(inspect_entity(edge_, entitlement_.rights(), view(context.getParams().getEntity()))
                        .then([this, context](Result<EntityInspection> seen) mutable {
                          auto results = context.getResults();
                          if (!seen) return write(edge_.edge_limits, results.initRefusal(), 0, seen.error());
                          write(results.initInspection(), *seen);
                        }));
  }

  kj::Promise<void> stats(StatsContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    if (auto allowed = entitlement_.rights().check_operate(); !allowed) {
      write(edge_.edge_limits, context.getResults().initRefusal(), 0, allowed.error());
      return kj::READY_NOW;
    }
    return question(
        stats_().then([context](const NodeStats& node) mutable { write(context.getResults().initStats(), node); }));
  }

  kj::Promise<void> deadLetters(DeadLettersContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    return question(list_dead_letters(edge_, entitlement_.rights(), view(context.getParams().getEntity()))
                        .then([this, context](Result<DeadLetterList> list) mutable {
                          auto results = context.getResults();
                          if (!list) return write(edge_.edge_limits, results.initRefusal(), 0, list.error());
                          results.setMore(list->more);
                          auto absent = results.initAbsentPartitions(static_cast<unsigned>(list->absent.size()));
                          for (unsigned i = 0; i < list->absent.size(); ++i) absent.set(i, list->absent[i].value);
                          auto letters = results.initDeadLetters(static_cast<unsigned>(list->entries.size()));
                          for (unsigned i = 0; i < list->entries.size(); ++i) write(letters[i], list->entries[i]);
                        }));
  }

  kj::Promise<void> redrive(RedriveContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    const auto params = context.getParams();
    return question(
        operate_on_dead_letter(edge_, entitlement_.rights(), view(params.getEntity()), params.getOffset(), true)
            .then([this, context](Result<Offset> done) mutable {
              if (done)
                context.getResults().setNewOffset(*done);
              else
                write(edge_.edge_limits, context.getResults().initRefusal(), 0, done.error());
            }));
  }

  kj::Promise<void> discard(DiscardContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    const auto params = context.getParams();
    return question(
        operate_on_dead_letter(edge_, entitlement_.rights(), view(params.getEntity()), params.getOffset(), false)
            .then([this, context](Result<Offset> done) mutable {
              if (!done) write(edge_.edge_limits, context.getResults().initRefusal(), 0, done.error());
            }));
  }

  kj::Promise<void> cluster(ClusterContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    if (auto allowed = entitlement_.rights().check_operate(); !allowed) {
      write(edge_.edge_limits, context.getResults().initRefusal(), 0, allowed.error());
      return kj::READY_NOW;
    }
    if (!edge_.cluster) {
      write(edge_.edge_limits, context.getResults().initRefusal(), 0, no_cluster());
      return kj::READY_NOW;
    }
    return question(stats_().then([this, context](const NodeStats& node) mutable {
      auto results = context.getResults();
      if (!node.cluster) return write(edge_.edge_limits, results.initRefusal(), 0, no_cluster_report());
      write_cluster(results.initCluster(), node);
    }));
  }

  kj::Promise<void> drain(DrainContext context) override {
    if (is_too_much(context)) return kj::READY_NOW;
    if (auto allowed = entitlement_.rights().check_operate(); !allowed) {
      write(edge_.edge_limits, context.getResults().initRefusal(), 0, allowed.error());
      return kj::READY_NOW;
    }
    if (!edge_.cluster) {
      write(edge_.edge_limits, context.getResults().initRefusal(), 0, no_cluster());
      return kj::READY_NOW;
    }
    const auto params = context.getParams();
    return question(edge_
                        .ask<bool>([&](const std::function<void(Result<bool>)>& answer) {
                          edge_.cluster->set_draining(std::string(view(params.getNode())), drain_of(params.getDrain()),
                                                      [answer](const Result<void>& done) {
                                                        answer(done ? Result<bool>(true) : Result<bool>(done.error()));
                                                      });
                        })
                        .then([this, context](const Result<bool>& done) mutable {
                          if (!done) write(edge_.edge_limits, context.getResults().initRefusal(), 0, done.error());
                        }));
  }

 private:
  // Counts a call that is neither of events nor of a token; one too many is answered so.
  template <class Context>
  bool is_too_much(Context& context) {
    auto refusal = visit_.request();
    if (!refusal && questions_ == kQuestionsMax)
      refusal =
          Error{ErrorCode::OVERLOADED, "too many calls of this connection have no answer yet; try again later", 0};
    if (refusal) write(edge_.edge_limits, context.getResults().initRefusal(), 0, *refusal);
    return refusal.has_value();
  }
  // Until it is answered.
  kj::Promise<void> question(kj::Promise<void> answered) {
    ++questions_;
    return answered.attach(kj::defer([this] { --questions_; }));
  }

  Edge& edge_;
  const NodeStatsSource& stats_;
  bool is_connected_ = true;  // So long there are the next two.
  Entitlement& entitlement_;
  Visit& visit_;
  const HangUp hang_up_;
  PublishPath publish_path_;
  std::size_t questions_ = 0;  // Under way.
  // That all subscriptions of the connection have, those that are held without any counted as one.
  const std::shared_ptr<std::size_t> follows_ = std::make_shared<std::size_t>(0);
  const std::shared_ptr<SharedCredit> credit_ =
      std::make_shared<SharedCredit>(edge_.edge_limits.connection_credit_bytes);
};

capnp::ReaderOptions reader_options(const EdgeLimits& limits) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = limits.message_bytes_max / sizeof(capnp::word);
  return options;
}

// One connection with everything that hangs on it.
struct Connection final : capnp::BootstrapFactory<capnp::rpc::twoparty::VatId> {
  Connection(Edge& edge, const NodeStatsSource& stats, kj::Own<kj::AsyncIoStream> io, Visit& visit,
             kj::Own<kj::PromiseFulfiller<void>> hang_up)
      : entitlement(edge),
        stream(kj::heap<ReceivingStream>(kj::heap<GatheringStream>(kj::mv(io)), visit, edge.timer,
                                         edge.edge_limits.message_within.count() * kj::MILLISECONDS)),
        guard(*stream, kUnfinishedMax + 2 * edge.edge_limits.connection_events_max, [this] { return has_room(); }),
        network(guard, capnp::rpc::twoparty::Side::SERVER, reader_options(edge.edge_limits)),
        server(kj::heap<GatewayServer>(edge, stats, entitlement, visit,
                                       std::make_shared<kj::Own<kj::PromiseFulfiller<void>>>(kj::mv(hang_up)))),
        serving(*server),
        gateway(kj::mv(server)),
        rpc(capnp::makeRpcServer(network, *this)) {
    // Beyond this, nothing more is read from the connection until calls are answered; nor while answers wait (has_room).
    rpc.setFlowLimit(2 * edge.edge_limits.message_bytes_max / sizeof(capnp::word));
  }

  ~Connection() noexcept(false) { serving.connection_ended(); }

  capnp::Capability::Client createFor(capnp::rpc::twoparty::VatId::Reader) override {
    was_asked = true;
    return gateway;
  }

  // KJ keeps every message that a client does not take in.
  bool has_room() {
    return network.getCurrentQueueSize() < kQueuedBytesMax && network.getCurrentQueueCount() < kQueuedMessagesMax;
  }

  Entitlement entitlement;
  kj::Own<kj::AsyncIoStream> stream;
  RpcGuard guard;
  capnp::TwoPartyVatNetwork network;
  kj::Own<GatewayServer> server;  // Until `gateway` has it,
  GatewayServer& serving;         // whose calls may outlive the connection.
  wire::Gateway::Client gateway;
  bool was_asked = false;  // For the gateway, which is how every client begins.
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
};

}  // namespace

kj::Promise<void> serve_rpc(Edge& edge, const NodeStatsSource& stats, kj::Own<kj::AsyncIoStream> stream, Visit& visit) {
  auto hung_up = kj::newPromiseAndFulfiller<void>();
  auto connection = kj::heap<Connection>(edge, stats, kj::mv(stream), visit, kj::mv(hung_up.fulfiller));
  auto& serving = *connection;
  auto silent = edge.timer.afterDelay(edge.edge_limits.first_call_within.count() * kj::MILLISECONDS)
                    .then([&serving]() -> kj::Promise<void> {
                      if (serving.was_asked && serving.entitlement.rights().check_authenticated())
                        return kj::NEVER_DONE;
                      return kj::READY_NOW;
                    });
  return serving.network.onDisconnect()
      .exclusiveJoin(kj::mv(silent))
      .exclusiveJoin(kj::mv(hung_up.promise))
      .exclusiveJoin(serving.entitlement.ended().ignoreResult())
      .catch_([](kj::Exception&&) {})
      .attach(kj::mv(connection));
}

}  // namespace carillon::actors
