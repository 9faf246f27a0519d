#include "actors/gateway_loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>

#include "actors/cluster_report.h"
#include "actors/metered_stream.h"
#include "actors/random_name.h"
#include "actors/rpc.h"
#include "actors/version.h"
#include "actors/websocket.h"

namespace carillon::actors {
namespace {

constexpr std::chrono::milliseconds kCloseWithin{300};  // Clients of WebSockets, when the node stops.
// One connection that always has something to read must not keep the thread from looking at the others.
constexpr unsigned kEventsBetweenPolls = 256;

}  // namespace

GatewayLoop::GatewayLoop(caf::actor_system& system, const GatewayOptions& options, NodeEdge& node,
                         std::shared_ptr<Inbox> inbox)
    : io_(kj::setupAsyncIo()),
      journal_(options.journal),
      store_id_(options.store_id),
      own_events_(edge_.emplace(system, options.partitions, options.catalogue, options.limits, options.edge_limits,
                                node, std::move(inbox), io_.provider->getTimer()),
                  options.store_id + " " + random_name()),
      stats_([this] { return collect(); }),
      http_(*edge_, stats_),
      tasks_(kj::heap<kj::TaskSet>(static_cast<kj::TaskSet::ErrorHandler&>(*this))) {
  io_.waitScope.setBusyPollInterval(kEventsBetweenPolls);
  edge_->own_events = &own_events_;
  edge_->origins = {options.allowed_origins, is_loopback(options.http)};
  edge_->figures_are_open = is_loopback(options.http) || options.access.open_metrics;
  auto stop = kj::newPromiseAndFulfiller<void>();
  stopped_ = kj::mv(stop.promise);
  stop_now_ = kj::mv(stop.fulfiller);
  tasks_->add(edge_->inbox->run(*io_.lowLevelProvider));
}

void GatewayLoop::run() {
  stopped_.wait(io_.waitScope);
  close_websockets(*edge_);
  sockets_closed(Clock::now() + kCloseWithin).wait(io_.waitScope);
}

void GatewayLoop::wind_down() {
  edge_->stopping = true;
  close_websockets(*edge_);
}

// All clients of WebSockets know that the node stops, or it is `until`.
kj::Promise<void> GatewayLoop::sockets_closed(Clock::time_point until) {
  if (edge_->sockets.empty() || Clock::now() >= until) return kj::READY_NOW;
  return edge_->timer.afterDelay(5 * kj::MILLISECONDS).then([this, until] { return sockets_closed(until); });
}

void GatewayLoop::post(std::function<void(GatewayLoop&)> job) {
  edge_->inbox->push([this, job = std::move(job)] { job(*this); });
}

void GatewayLoop::tell_all(const std::function<void(GatewayLoop&)>& news) {
  for (auto* loop : *team_) {
    if (loop == this)
      news(*this);
    else
      loop->post(news);
  }
}

// --- Connections.

bool GatewayLoop::give(kj::Own<kj::AsyncIoStream> stream, Port port) {
  int own = -1;
  KJ_IF_MAYBE (file, stream->getFd()) {
    own = fcntl(*file, F_DUPFD_CLOEXEC, 0);
  }
  if (own < 0) return false;
  ++load_;
  post([port, file = std::make_shared<kj::AutoCloseFd>(own)](GatewayLoop& loop) {
    using Io = kj::LowLevelAsyncIoProvider;
    loop.begin(loop.io_.lowLevelProvider->wrapSocketFd(kj::mv(*file), Io::ALREADY_CLOEXEC | Io::ALREADY_NONBLOCK),
               port);
  });
  return true;
}

void GatewayLoop::serve(kj::Own<kj::AsyncIoStream> stream, Port port) {
  ++load_;
  begin(kj::mv(stream), port);
}

void GatewayLoop::begin(kj::Own<kj::AsyncIoStream> stream, Port port) {
  tasks_->add(kj::evalNow([&] { return welcome(kj::mv(stream), port); }).attach(kj::defer([this] { --load_; })));
}

kj::Promise<void> GatewayLoop::welcome(kj::Own<kj::AsyncIoStream> stream, Port port) {
  const int on = 1;
  stream->setsockopt(IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto visit = kj::heap<Visit>(*edge_);
  auto& guest = *visit;
  if (!guest.begin(*stream)) return kj::READY_NOW;  // Closed at once.
  if (guest.counts_bytes()) stream = kj::heap<MeteredStream>(kj::mv(stream), guest, edge_->timer);
  if (!tls_) return serve_as(port, kj::mv(stream), guest).attach(kj::mv(visit));
  return edge_->timer
      .timeoutAfter(edge_->edge_limits.handshake_within.count() * kj::MILLISECONDS, tls_->wrapServer(kj::mv(stream)))
      .then([this, port, &guest](
                kj::Own<kj::AsyncIoStream> private_stream) { return serve_as(port, kj::mv(private_stream), guest); },
            // Port scanners, and clients without TLS: every day's business.
            [this](kj::Exception&&) { ++edge_->counters.handshakes_failed; })
      .attach(kj::mv(visit));
}

kj::Promise<void> GatewayLoop::serve_as(Port port, kj::Own<kj::AsyncIoStream> stream, Visit& visit) {
  return port == Port::kNative ? serve_rpc(*edge_, stats_, kj::mv(stream), visit) : http_.serve(kj::mv(stream), visit);
}

void GatewayLoop::taskFailed(kj::Exception&& failed) {
  spdlog::warn("a connection ended: {}", failed.getDescription().cStr());
}

// --- What the node knows of itself.

template <class T>
kj::Promise<Result<T>> GatewayLoop::ask(const std::function<void(std::function<void(Result<T>)>)>& send) {
  return edge_->ask<T>(send, edge_->edge_limits.figures_within);
}

kj::Promise<EdgeCounters> GatewayLoop::counters_of(GatewayLoop& loop) {
  if (&loop == this) return edge_->counters;
  return ask<EdgeCounters>([&loop](auto answer) {
           loop.post([answer = std::move(answer)](GatewayLoop& other) { answer(other.edge_->counters); });
         })
      .then([](const Result<EdgeCounters>& counters) { return counters ? *counters : EdgeCounters(); });
}

kj::Promise<std::optional<ClusterReport>> GatewayLoop::cluster_report() {
  if (!edge_->cluster) return std::optional<ClusterReport>();
  return ask<ClusterReport>([&](auto answer) { edge_->cluster->report(std::move(answer)); })
      .then([](Result<ClusterReport> report) { return report ? std::optional(std::move(*report)) : std::nullopt; });
}

kj::Promise<NodeStats> GatewayLoop::collect() {
  auto partitions = kj::heapArrayBuilder<kj::Promise<Result<PartitionStats>>>(edge_->partitions->size());
  for (const auto& partition : *edge_->partitions)
    partitions.add(ask<PartitionStats>([&](auto answer) { caf::anon_send(partition, AskStats{std::move(answer)}); }));
  auto threads = kj::heapArrayBuilder<kj::Promise<EdgeCounters>>(team_->size());
  for (auto* loop : *team_) threads.add(counters_of(*loop));
  auto journal = ask<JournalStats>([&](auto answer) { caf::anon_send(journal_, AskJournal{std::move(answer)}); });

  auto gathered = kj::heap<NodeStats>();
  auto& node = *gathered;
  node.version = kVersion;
  node.store_id = store_id_;
  node.uptime = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
  node.complaints = edge_->complaints;
  node.certificate_ends_at = edge_->certificate_ends_at;
  node.in_cluster = edge_->cluster != nullptr;
  auto parts = kj::heapArrayBuilder<kj::Promise<void>>(4);
  parts.add(kj::joinPromises(partitions.finish()).then([&node](kj::Array<Result<PartitionStats>> answers) {
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
  }));
  parts.add(kj::joinPromises(threads.finish()).then([&node](kj::Array<EdgeCounters> counters) {
    for (const auto& of_thread : counters) node.edge.add(of_thread);
  }));
  parts.add(journal.then([&node](const Result<JournalStats>& stats) {
    if (stats) node.journal = *stats;  // Else it waits for the disk.
  }));
  parts.add(cluster_report().then([&node](std::optional<ClusterReport> report) { node.cluster = std::move(report); }));
  return kj::joinPromises(parts.finish()).then([gathered = kj::mv(gathered)]() mutable {
    return std::move(*gathered);
  });
}

}  // namespace carillon::actors
