#include "actors/gateway.h"

#include <arpa/inet.h>
#include <kj/async-io.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>

#include <future>

#include "actors/cluster_report.h"
#include "actors/http.h"
#include "actors/key_watch.h"
#include "actors/metered_stream.h"
#include "actors/node_publisher.h"
#include "actors/node_stats.h"
#include "actors/presence.h"
#include "actors/random_name.h"
#include "actors/rpc.h"
#include "actors/version.h"
#include "actors/visit.h"
#include "actors/websocket.h"

namespace carillon::actors {

namespace {

constexpr std::chrono::milliseconds kCloseWithin{300};  // Clients of WebSockets, when the node stops.

}  // namespace

bool is_loopback(const std::string& address) {
  const auto host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

namespace {

// Whether what is listened on is safe to listen on (P9).
Result<void> check_access(const GatewayOptions& options) {
  const auto& access = options.access;
  const auto malformed = [](std::string what) { return Error{ErrorCode::MALFORMED, std::move(what), 0}; };
  if (access.tls_certificate.empty() != access.tls_key.empty())
    return malformed("--tls-certificate and --tls-key belong together");
  if (access.keys.empty() && !(access.expectations.issuer.empty() && access.expectations.audience.empty()))
    return malformed("--token-issuer and --token-audience need --keys");
  for (const auto& address : {options.listen, options.http}) {
    if (is_loopback(address)) continue;
    if (access.keys.empty())
      return malformed(address +
                       " is beyond loopback, where everybody must show a token: name the keys with --keys FILE, or "
                       "listen on 127.0.0.1 (docs/security.md)");
    if (access.tls_certificate.empty() && !access.plaintext)
      return malformed(address +
                       " is beyond loopback, and without TLS tokens could be read on the way: give --tls-certificate "
                       "and --tls-key, or --plaintext if something else encrypts (docs/security.md)");
  }
  return {};
}

}  // namespace

// Everything that lives on the thread.
struct Gateway::Loop final : private kj::TaskSet::ErrorHandler {
  Loop(caf::actor_system& system, const GatewayOptions& options, const std::shared_ptr<Inbox>& jobs)
      : io(kj::setupAsyncIo()),
        edge(system, options.partitions, options.catalogue, options.limits, options.edge_limits, jobs,
             io.provider->getTimer()),
        journal(options.journal),
        store_id(options.store_id),
        own_events(edge, options.store_id + " " + random_name()),
        stats([this] { return collect(); }),
        http(edge, stats),
        tasks(*this) {
    edge.own_events = &own_events;
    presence.emplace(edge, options.store_id);
    edge.presence = &*presence;
    edge.origins = {options.allowed_origins, is_loopback(options.http)};
    edge.figures_are_open = is_loopback(options.http) || options.access.open_metrics;
    auto stop = kj::newPromiseAndFulfiller<void>();
    stopped = kj::mv(stop.promise);
    stop_now = kj::mv(stop.fulfiller);
    tasks.add(jobs->run(*io.lowLevelProvider));
  }

  // How the connections of a port are served.
  using Serve = kj::Promise<void> (Loop::*)(kj::Own<kj::AsyncIoStream>, Visit& visit);

  std::string listen(const std::string& address, Serve serve) {
    auto parsed = io.provider->getNetwork().parseAddress(address.c_str()).wait(io.waitScope);
    auto receiver = parsed->listen();
    const auto port = receiver->getPort();
    auto& listening = *receiver;
    listeners.add(accept(listening, serve).attach(kj::mv(receiver)).eagerlyEvaluate([](kj::Exception&& failed) {
      spdlog::error("a listener ended: {}", failed.getDescription().cStr());
    }));
    return address.substr(0, address.rfind(':')) + ":" + std::to_string(port);
  }

  kj::Promise<void> accept(kj::ConnectionReceiver& receiver, Serve serve) {
    return receiver.accept().then(
        [this, &receiver, serve](kj::Own<kj::AsyncIoStream> stream) {
          if (edge.counters.connections >= edge.edge_limits.connections_max) {
            ++edge.counters.connections_refused;  // Closed at once.
          } else {
            // What goes wrong with one connection must not end the listener.
            tasks.add(kj::evalNow([&] { return welcome(kj::mv(stream), serve); }));
          }
          return accept(receiver, serve);
        },
        [this, &receiver, serve](kj::Exception&& failed) {
          // Out of file descriptors, most likely: others may end meanwhile.
          spdlog::warn("cannot accept a connection: {}", failed.getDescription().cStr());
          return io.provider->getTimer().afterDelay(100 * kj::MILLISECONDS).then([this, &receiver, serve] {
            return accept(receiver, serve);
          });
        });
  }

  // Serves a connection until it ends.
  kj::Promise<void> welcome(kj::Own<kj::AsyncIoStream> stream, Serve serve) {
    const int on = 1;
    stream->setsockopt(IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto visit = kj::heap<Visit>(edge);
    auto& guest = *visit;
    if (!guest.begin(*stream)) return kj::READY_NOW;  // Closed at once.
    if (guest.counts_bytes()) stream = kj::heap<MeteredStream>(kj::mv(stream), guest, edge.timer);
    auto served = !keys->has_tls() ? (this->*serve)(kj::mv(stream), guest)
                                   : keys->wrap(kj::mv(stream))
                                         .then(
                                             [this, serve, &guest](kj::Own<kj::AsyncIoStream> private_stream) {
                                               return (this->*serve)(kj::mv(private_stream), guest);
                                             },
                                             // Port scanners, and clients without TLS: every day's business.
                                             [this](kj::Exception&&) { ++edge.counters.handshakes_failed; });
    return served.attach(kj::mv(visit));
  }

  kj::Promise<void> native(kj::Own<kj::AsyncIoStream> stream, Visit& visit) {
    return serve_rpc(edge, stats, kj::mv(stream), visit);
  }
  kj::Promise<void> hypertext(kj::Own<kj::AsyncIoStream> stream, Visit& visit) {
    return http.serve(kj::mv(stream), visit);
  }

  // All clients of WebSockets know that the node stops, or it is `until`.
  kj::Promise<void> sockets_closed(Clock::time_point until) {
    if (edge.sockets.empty() || Clock::now() >= until) return kj::READY_NOW;
    return io.provider->getTimer().afterDelay(5 * kj::MILLISECONDS).then([this, until] {
      return sockets_closed(until);
    });
  }

  kj::Promise<NodeStats> collect() {
    auto asked = kj::heapArrayBuilder<kj::Promise<Result<PartitionStats>>>(edge.partitions->size());
    for (const auto& partition : *edge.partitions)
      asked.add(edge.ask<PartitionStats>([&](auto answer) { caf::anon_send(partition, AskStats{std::move(answer)}); }));
    auto written = edge.ask<JournalStats>([&](auto answer) { caf::anon_send(journal, AskJournal{std::move(answer)}); });
    kj::Promise<std::optional<ClusterReport>> reported = std::optional<ClusterReport>();
    if (edge.cluster)
      reported = edge.ask<ClusterReport>([&](auto answer) { edge.cluster->report(std::move(answer)); })
                     .then([](Result<ClusterReport> report) {
                       return report ? std::optional(std::move(*report)) : std::nullopt;
                     });
    return kj::joinPromises(asked.finish())
        .then([this, written = kj::mv(written),
               reported = kj::mv(reported)](kj::Array<Result<PartitionStats>> answers) mutable {
          return written.then([this, answers = kj::mv(answers),
                               reported = kj::mv(reported)](Result<JournalStats> journal_stats) mutable {
            NodeStats node;
            node.version = kVersion;
            node.store_id = store_id;
            node.uptime = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
            for (std::size_t p = 0; p < answers.size(); ++p) {
              if (answers[p]) {
                node.partitions.push_back(std::move(*answers[p]));
              } else {
                node.partitions.emplace_back();
                node.partitions.back().partition = {static_cast<std::uint16_t>(p)};
                node.partitions.back().available = false;
                node.partitions.back().problem = answers[p].error().message;
              }
            }
            if (journal_stats) node.journal = *journal_stats;
            node.edge = edge.counters;
            node.complaints = edge.complaints;
            node.in_cluster = edge.cluster != nullptr;
            return reported.then([node = std::move(node)](std::optional<ClusterReport> report) mutable {
              node.cluster = std::move(report);
              return std::move(node);
            });
          });
        });
  }

  void taskFailed(kj::Exception&& failed) override {
    spdlog::warn("a connection ended: {}", failed.getDescription().cStr());
  }

  kj::AsyncIoContext io;
  Edge edge;
  caf::actor journal;
  std::string store_id;
  NodePublisher own_events;
  std::optional<PresenceReporter> presence;  // Needs own_events.
  const Clock::time_point started = Clock::now();
  NodeStatsSource stats;
  HttpFront http;
  std::unique_ptr<KeyWatch> keys;  // From the start on.
  kj::Promise<void> stopped = kj::READY_NOW;
  kj::Own<kj::PromiseFulfiller<void>> stop_now;
  kj::Vector<kj::Promise<void>> listeners;
  kj::TaskSet tasks;  // Connections; ended first.
};

Result<std::unique_ptr<Gateway>> Gateway::start(caf::actor_system& system, GatewayOptions options) {
  if (auto checked = check_access(options); !checked) return checked.error();
  std::unique_ptr<Gateway> gateway(new Gateway());
  gateway->inbox_ = std::make_shared<Inbox>();
  std::promise<Result<Loop*>> started;
  auto listening = started.get_future();
  gateway->thread_ = std::thread([&system, started = std::move(started), &gateway = *gateway,
                                  options = std::move(options)]() mutable {
    std::unique_ptr<Loop> loop;
    try {
      loop = std::make_unique<Loop>(system, options, gateway.inbox_);
      auto keys = KeyWatch::start(loop->edge, options.access);
      if (!keys) return started.set_value(keys.error());
      loop->keys = std::move(*keys);
      loop->tasks.add(loop->keys->run());
      gateway.rpc_address_ = loop->listen(options.listen, &Loop::native);
      gateway.http_address_ = loop->listen(options.http, &Loop::hypertext);
    } catch (const kj::Exception& failed) {
      started.set_value(Error{
          ErrorCode::UNAVAILABLE,
          "cannot listen on " + options.listen + " and " + options.http + ": " + failed.getDescription().cStr(), 0});
      return;
    }
    started.set_value(loop.get());
    loop->stopped.wait(loop->io.waitScope);
    close_websockets(loop->edge);
    loop->sockets_closed(Clock::now() + kCloseWithin).wait(loop->io.waitScope);
  });
  const auto outcome = listening.get();
  if (!outcome) return outcome.error();
  gateway->loop_ = *outcome;
  return gateway;
}

Gateway::~Gateway() {
  if (loop_ != nullptr) inbox_->push([loop = loop_] { loop->stop_now->fulfill(); });
  if (thread_.joinable()) thread_.join();
  if (inbox_) inbox_->close();
}

void Gateway::stop_accepting() {
  inbox_->push([loop = loop_] {
    loop->edge.stopping = true;
    close_websockets(loop->edge);
    loop->listeners.clear();
  });
}

std::function<void(PartitionId partition, std::uint64_t life)> Gateway::reload_notice() const {
  // Jobs are run by the loop, so that they find it; without it there are none.
  return [inbox = inbox_, loop = loop_](PartitionId partition, std::uint64_t life) {
    inbox->push([loop, partition, life] { loop->edge.reloaded(partition, life); });
  };
}

void Gateway::belong_to_cluster(ClusterQuestions questions) {
  inbox_->push([loop = loop_, questions = std::make_shared<const ClusterQuestions>(std::move(questions))] {
    loop->edge.cluster = questions;
  });
}

}  // namespace carillon::actors
