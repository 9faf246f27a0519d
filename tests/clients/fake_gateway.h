// A gateway in memory, for tests of clients: keeps streams in RAM, and refuses or hangs up when it is told to.
//
// Single-threaded: lives on the event loop of its test, and so do the clients.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <messages/client.capnp.h>

#include <algorithm>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "clients/cpp/address.h"
#include "messages/event.h"

namespace carillon::client {

struct FakeEvent {
  std::string type, payload;
  Sequence sequence = 0;
};

// What survives a restart of the node.
struct FakeStore {
  std::map<std::string, std::vector<FakeEvent>> mailboxes;
  std::map<std::string, Offset> first_kept;  // Entities whose beginning is gone.
  std::map<std::string, std::set<Sequence>> known;
  std::vector<std::size_t> batches;  // Sizes of publish calls.

  // What the next publish calls do, in order.
  int overloaded_calls = 0;  // Refuse everything from the second item on.
  std::uint32_t overloaded_for_ms = 5;
  int calls_before_hang_up = -1;  // Then store, do not answer, and lose the connection.
  int unavailable_follows = 0;    // Refuse so many follows for a while.
  Offset skip_offset = 0;         // Deliver without this one, once: damage.
};

class FakeGateway {
 public:
  FakeGateway(kj::AsyncIoContext& io, FakeStore& store) : io_(io), store_(store), tasks_(errors_) {}
  ~FakeGateway() { stop(); }

  // On the port of the last time, if there was one.
  void start() {
    auto address = io_.provider->getNetwork().parseAddress("127.0.0.1", port_).wait(io_.waitScope);
    receiver_ = address->listen();
    port_ = static_cast<std::uint16_t>(receiver_->getPort());
    accepting_ = kj::heap<kj::Promise<void>>(accept().eagerlyEvaluate(nullptr));
  }
  // Loses all connections, as a crash does.
  void stop() {
    accepting_ = nullptr;
    receiver_ = nullptr;
    hang_up();
  }
  void hang_up() {
    sinks_.clear();
    peers_.clear();
  }
  Address address() const { return {"127.0.0.1", port_}; }
  // Subscriptions that clients have not let go of.
  std::ptrdiff_t subscriptions_held() const {
    return std::ranges::count_if(sinks_, [](const Sink& sink) { return *sink.wanted; });
  }
  // Cut off from the other nodes: everything is unavailable here, or what is published to one entity.
  void cut_off() { cut_off_ = true; }
  void cut_off_from(std::string entity) { cut_off_from_ = std::move(entity); }

  void append(const std::string& entity, FakeEvent event) {
    store_.mailboxes[entity].push_back(std::move(event));
    feed();
  }

 private:
  struct Sink {
    wire::NotificationSink::Client client;
    std::vector<std::pair<std::string, Offset>> follows;  // What comes next.
    std::shared_ptr<bool> wanted;
  };
  struct Peer {
    kj::Own<kj::AsyncIoStream> stream;
    capnp::TwoPartyVatNetwork network;
    capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;

    Peer(kj::Own<kj::AsyncIoStream> accepted, wire::Gateway::Client gateway)
        : stream(kj::mv(accepted)),
          network(*stream, capnp::rpc::twoparty::Side::SERVER),
          rpc(capnp::makeRpcServer(network, kj::mv(gateway))) {}
  };
  struct IgnoreErrors final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}
  };

  class Server final : public wire::Gateway::Server {
   public:
    explicit Server(FakeGateway& fake) : fake_(fake), store_(fake.store_) {}

    kj::Promise<void> publish(PublishContext context) override {
      const auto params = context.getParams();
      const std::string producer = params.getProducer().cStr();
      const auto batch = params.getBatch();
      store_.batches.push_back(batch.size());
      const bool overloaded = store_.overloaded_calls > 0 && store_.overloaded_calls-- > 0;
      std::vector<std::pair<std::uint32_t, wire::ErrorCode>> refusals;
      std::uint32_t duplicates = 0;
      for (std::uint32_t i = 0; i < batch.size(); ++i) {
        const auto item = batch[i];
        const Sequence sequence = item.getSequence();
        if (first_refused_ == sequence) first_refused_ = 0;
        if (fake_.cut_off_ || fake_.cut_off_from_ == item.getEntity().cStr()) {
          refusals.emplace_back(i, wire::ErrorCode::UNAVAILABLE);
        } else if (item.getPayload().size() > 1'000) {
          refusals.emplace_back(i, wire::ErrorCode::PAYLOAD_TOO_LARGE);
        } else if (first_refused_ != 0 || (overloaded && i > 0)) {
          if (first_refused_ == 0) first_refused_ = sequence;
          refusals.emplace_back(i, wire::ErrorCode::OVERLOADED);
        } else if (!store_.known[producer].insert(sequence).second) {
          ++duplicates;
        } else {
          store_.mailboxes[item.getEntity().cStr()].push_back(
              {item.getType().cStr(), item.getPayload().cStr(), sequence});
        }
      }
      fake_.feed();
      if (store_.calls_before_hang_up >= 0 && store_.calls_before_hang_up-- == 0) {
        fake_.tasks_.add(kj::evalLast([fake = &fake_] { fake->hang_up(); }));
        return kj::NEVER_DONE;
      }
      auto results = context.getResults();
      results.setAccepted(batch.size() - static_cast<std::uint32_t>(refusals.size()));
      results.setDuplicates(duplicates);
      auto list = results.initRefusals(static_cast<unsigned>(refusals.size()));
      for (unsigned i = 0; i < refusals.size(); ++i) {
        list[i].setIndex(refusals[i].first);
        list[i].setCode(refusals[i].second);
        list[i].setMessage("refused");
        list[i].setRetryAfterMs(refusals[i].second == wire::ErrorCode::OVERLOADED ? store_.overloaded_for_ms : 5);
      }
      return kj::READY_NOW;
    }

    kj::Promise<void> subscribe(SubscribeContext context) override {
      const auto params = context.getParams();
      Sink sink{params.getSink(), {}, std::make_shared<bool>(true)};
      std::vector<std::tuple<std::uint32_t, wire::ErrorCode, Offset>> refusals;
      std::uint32_t index = 0;
      for (const auto follow : params.getFollows()) {
        const std::string entity = follow.getEntity().cStr();
        const Offset last = store_.mailboxes[entity].size();
        if (fake_.cut_off_ || (store_.unavailable_follows > 0 && store_.unavailable_follows-- > 0))
          refusals.emplace_back(index, wire::ErrorCode::UNAVAILABLE, 0);
        else if (store_.first_kept.contains(entity) && follow.getFrom() < store_.first_kept[entity])
          refusals.emplace_back(index, wire::ErrorCode::TRUNCATED, store_.first_kept[entity]);
        else if (follow.getFrom() > last + 1)
          refusals.emplace_back(index, wire::ErrorCode::BEYOND_END, last + 1);
        sink.follows.emplace_back(entity, follow.getFrom());
        ++index;
      }
      auto results = context.getResults();
      auto list = results.initRefusals(static_cast<unsigned>(refusals.size()));
      for (unsigned i = 0; i < refusals.size(); ++i) {
        const auto& [place, code, first] = refusals[i];
        sink.follows[place].second = 0;  // Followed no more.
        list[i].setIndex(place);
        list[i].setCode(code);
        list[i].setMessage("refused");
        list[i].setFirstOffset(first);
        list[i].setRetryAfterMs(5);
      }
      results.setSubscription(kj::heap<Subscription>(sink.wanted));
      fake_.sinks_.push_back(std::move(sink));
      fake_.tasks_.add(kj::evalLast([fake = &fake_] { fake->feed(); }));
      return kj::READY_NOW;
    }

    kj::Promise<void> read(ReadContext context) override {
      const auto params = context.getParams();
      const auto found = store_.mailboxes.find(params.getEntity().cStr());
      auto results = context.getResults();
      const Offset last = found == store_.mailboxes.end() ? 0 : found->second.size();
      if (params.getFrom() > last + 1) {
        auto refusal = results.initRefusal();
        refusal.setCode(wire::ErrorCode::BEYOND_END);
        refusal.setMessage("beyond the end");
        refusal.setFirstOffset(last + 1);
        return kj::READY_NOW;
      }
      const Offset first = params.getFrom();
      const auto count = std::min<Offset>(last + 1 - first, params.getLimit());
      auto events = results.initEvents(static_cast<unsigned>(count));
      for (unsigned i = 0; i < count; ++i) fill(events[i], found->second[first - 1 + i]);
      results.setFirstOffset(first);
      results.setLastOffset(last);
      return kj::READY_NOW;
    }

    kj::Promise<void> stats(StatsContext context) override {
      context.getResults().initStats().setVersion("fake");
      return kj::READY_NOW;
    }

   private:
    class Subscription final : public wire::Subscription::Server {
     public:
      explicit Subscription(std::shared_ptr<bool> wanted) : wanted_(std::move(wanted)) {}
      ~Subscription() { *wanted_ = false; }

     private:
      std::shared_ptr<bool> wanted_;
    };

    FakeGateway& fake_;
    FakeStore& store_;
    Sequence first_refused_ = 0;  // Of the one producer of this connection.
  };

  static void fill(wire::StoredEvent::Builder builder, const FakeEvent& event) {
    builder.setType(event.type);
    builder.setPayload(event.payload);
    builder.setSequence(event.sequence);
  }

  kj::Promise<void> accept() {
    return receiver_->accept().then([this](kj::Own<kj::AsyncIoStream> stream) {
      peers_.emplace_back(kj::mv(stream), kj::heap<Server>(*this));
      return accept();
    });
  }

  // Sends every sink what it lacks.
  void feed() {
    for (Sink& sink : sinks_) {
      if (!*sink.wanted) continue;
      for (std::uint32_t index = 0; index < sink.follows.size(); ++index) {
        auto& [entity, next] = sink.follows[index];
        auto& mailbox = store_.mailboxes[entity];
        if (next == store_.skip_offset && next != 0 && next <= mailbox.size()) store_.skip_offset = 0, ++next;
        if (next == 0 || next > mailbox.size()) continue;
        auto request = sink.client.deliverRequest();
        auto delivery = request.initDeliveries(1)[0];
        delivery.setFollow(index);
        delivery.setFirstOffset(next);
        const auto count = mailbox.size() + 1 - next;
        auto events = delivery.initEvents(static_cast<unsigned>(count));
        for (unsigned i = 0; i < count; ++i) fill(events[i], mailbox[next - 1 + i]);
        next = mailbox.size() + 1;
        tasks_.add(request.send());
      }
    }
  }

  kj::AsyncIoContext& io_;
  FakeStore& store_;
  std::uint16_t port_ = 0;
  bool cut_off_ = false;
  std::string cut_off_from_;
  kj::Own<kj::ConnectionReceiver> receiver_;
  kj::Own<kj::Promise<void>> accepting_;
  std::list<Peer> peers_;
  std::list<Sink> sinks_;
  IgnoreErrors errors_;
  kj::TaskSet tasks_;
};

}  // namespace carillon::client
