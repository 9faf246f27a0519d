#include "actors/rpc.h"

#include <capnp/rpc-twoparty.h>
#include <messages/client.capnp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "actors/cluster_report.h"
#include "actors/feed.h"
#include "actors/publish_path.h"
#include "actors/questions.h"

namespace carillon::actors {
namespace {

constexpr unsigned kRefusalsMax = 65'536;  // In one answer.

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
capnp::Text::Reader text(const std::string& string) { return {string.data(), string.size()}; }

void write(wire::StoredEvent::Builder out, const Event& event) {
  out.setType(text(event.type));
  out.setPayload(text(event.payload));
  const std::string_view label = event.producer.is_hub() ? "hub " : "client ";
  const auto name = event.producer.name();
  auto producer = out.initProducer(static_cast<unsigned>(label.size() + name.size()));
  std::memcpy(producer.begin(), label.data(), label.size());
  std::memcpy(producer.begin() + label.size(), name.data(), name.size());
  out.setSequence(event.sequence);
  out.setAcceptedAtMs(event.accepted_at_ms);
  out.setRedriveOf(event.redrive_of);
}

void write(const Edge& edge, wire::Refusal::Builder out, std::uint32_t index, const Error& error) {
  out.setIndex(index);
  out.setCode(error.code);
  out.setMessage(text(error.message));
  out.setFirstOffset(error.first_offset);
  if (error.code == ErrorCode::OVERLOADED)
    out.setRetryAfterMs(static_cast<std::uint32_t>(edge.edge_limits.overloaded_retry.count()));
  if (error.code == ErrorCode::UNAVAILABLE)
    out.setRetryAfterMs(static_cast<std::uint32_t>(edge.edge_limits.unavailable_retry.count()));
}

void write(const Edge& edge, capnp::List<wire::Refusal>::Builder out,
           const std::vector<runtime::ItemRefusal>& refusals) {
  for (unsigned i = 0; i < refusals.size(); ++i) write(edge, out[i], refusals[i].index, refusals[i].error);
}

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

wire::Drain wire_of(const std::optional<cluster::Drain>& drain) {
  if (!drain) return wire::Drain::NOTHING;
  return *drain == cluster::Drain::kAll ? wire::Drain::EVERYTHING : wire::Drain::PRIMARIES;
}

wire::Role wire_of(cluster::Role role) {
  switch (role) {
    case cluster::Role::kJoining:
      return wire::Role::JOINING;
    case cluster::Role::kInSync:
      return wire::Role::IN_SYNC;
    case cluster::Role::kPrimary:
      return wire::Role::PRIMARY;
    case cluster::Role::kStranger:
      break;
  }
  return wire::Role::STRANGER;
}

void write(wire::ReplicaState::Builder out, const ReplicaStats& replica) {
  out.setPartition(replica.partition.value);
  out.setRole(wire_of(replica.role));
  out.setEpoch(replica.epoch);
  out.setLogEnd(replica.log_end);
  out.setCommit(replica.commit);
  out.setApplied(replica.applied);
  out.setReady(replica.ready);
  auto backups = out.initBackups(static_cast<unsigned>(replica.backups.size()));
  for (unsigned i = 0; i < replica.backups.size(); ++i) {
    const auto& backup = replica.backups[i];
    backups[i].setNode(text(backup.id.node));
    backups[i].setInSync(backup.in_sync);
    backups[i].setLinked(backup.linked);
    backups[i].setCopying(backup.copying);
    backups[i].setLagEntries(backup.lag_entries);
  }
}

void write(wire::ClusterPartition::Builder out, const ClusterDescription::Partition& partition) {
  const auto& record = partition.record;
  out.setNumber(partition.partition.value);
  out.setEpoch(record.epoch);
  out.setPrimary(text(record.primary.node));
  auto in_sync = out.initInSync(static_cast<unsigned>(record.in_sync.size()));
  for (unsigned i = 0; i < record.in_sync.size(); ++i) in_sync.set(i, text(record.in_sync[i].node));
  auto replicas = out.initReplicas(static_cast<unsigned>(record.replicas.size()));
  for (unsigned i = 0; i < record.replicas.size(); ++i) replicas.set(i, text(record.replicas[i]));
}

void write(wire::Cluster::Builder out, const ClusterReport& report) {
  const auto& cluster = report.cluster;
  out.setName(text(cluster.cluster));
  out.setId(text(cluster.cluster_id));
  out.setNode(text(cluster.self));
  out.setController(text(cluster.controller));
  out.setEtcdReachable(cluster.etcd_reachable);
  out.setReplicas(cluster.replicas);
  out.setMinInSync(cluster.min_in_sync);
  auto nodes = out.initNodes(static_cast<unsigned>(cluster.nodes.size()));
  for (unsigned i = 0; i < cluster.nodes.size(); ++i) {
    const auto& node = cluster.nodes[i];
    nodes[i].setName(text(node.member.node));
    nodes[i].setStore(text(node.member.store));
    nodes[i].setPeer(text(node.member.peer));
    nodes[i].setRpc(text(node.member.rpc));
    nodes[i].setHttp(text(node.member.http));
    nodes[i].setDrain(wire_of(node.draining));
    nodes[i].setDrained(node.draining && node.drained);
    nodes[i].setLinked(node.linked);
  }
  auto partitions = out.initPartitions(static_cast<unsigned>(cluster.partitions.size()));
  for (unsigned i = 0; i < cluster.partitions.size(); ++i) write(partitions[i], cluster.partitions[i]);
  std::vector<const ReplicaStats*> held;
  for (const auto& replica : report.replicas)
    if (replica.role != cluster::Role::kStranger || replica.log_end > 0) held.push_back(&replica);
  auto replicas = out.initOwnReplicas(static_cast<unsigned>(held.size()));
  for (unsigned i = 0; i < held.size(); ++i) write(replicas[i], *held[i]);
  auto links = out.initLinks(static_cast<unsigned>(cluster.links.size()));
  for (unsigned i = 0; i < cluster.links.size(); ++i) {
    const auto& link = cluster.links[i];
    links[i].setNode(text(link.peer));
    links[i].setUp(link.up);
    links[i].setMeetings(link.meetings);
    links[i].setBytesSent(link.bytes_sent);
    links[i].setBytesReceived(link.bytes_received);
    links[i].setQueuedBytes(link.queued_bytes);
  }
}

Error no_cluster() {
  return {ErrorCode::UNAVAILABLE,
          "this node belongs to no cluster: it was started without --cluster, or has not joined yet", 0};
}

// A subscription: the feed lives as long as the client holds the capability.
class SubscriptionServer final : public wire::Subscription::Server {
 public:
  SubscriptionServer(Edge& edge, wire::NotificationSink::Client sink)
      : sink_(kj::mv(sink)),
        feed_(edge, {[this](const auto& deliveries) { return pass_on(deliveries); },
                     [this, &edge](std::uint32_t follow, const Error& error) {
                       auto request = sink_.endedRequest();
                       write(edge, request.initRefusal(), follow, error);
                       request.send().detach([](kj::Exception&&) {});
                     }}) {}

  Feed& feed() { return feed_; }

 private:
  kj::Promise<void> pass_on(const std::vector<SessionDelivery>& deliveries) {
    std::size_t words = 8;
    for (const auto& delivery : deliveries) {
      words += 4;
      for (const auto* event : delivery.events.events)
        words += 12 + (event->payload.size() + event->type.size() + event->producer.stored().size()) / 8;
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

  wire::NotificationSink::Client sink_;
  Feed feed_;
};

class GatewayServer final : public wire::Gateway::Server {
 public:
  GatewayServer(Edge& edge, const NodeStatsSource& stats) : edge_(edge), stats_(stats), publish_path_(edge) {}

  kj::Promise<void> publish(PublishContext context) override {
    const auto params = context.getParams();
    const auto batch = params.getBatch();
    const auto producer = ProducerId::client(view(params.getProducer()));
    // A refusal for each item of an absurd list would cost more than the list.
    KJ_REQUIRE(batch.size() <= std::max<std::size_t>(kRefusalsMax, edge_.limits.batch_events_max),
               "a batch holds at most", edge_.limits.batch_events_max, "events");
    if (!producer) {
      auto refusals = context.getResults().initRefusals(batch.size());
      for (unsigned i = 0; i < batch.size(); ++i) write(edge_, refusals[i], i, producer.error());
      return kj::READY_NOW;
    }
    auto outcome = publish_path_.publish(*producer, batch.size(), [&](std::uint32_t i) {
      const auto item = batch[i];
      return runtime::PublicationView{view(item.getEntity()), view(item.getType()), view(item.getPayload()),
                                      item.getSequence()};
    });
    context.releaseParams();
    return outcome.then([this, context](const runtime::PublishOutcome& done) mutable {
      auto results = context.getResults(capnp::MessageSize{8 + 32 * done.refusals.size(), 0});
      results.setAccepted(done.accepted);
      results.setDuplicates(done.duplicates);
      if (!done.refusals.empty())
        write(edge_, results.initRefusals(static_cast<unsigned>(done.refusals.size())), done.refusals);
    });
  }

  kj::Promise<void> subscribe(SubscribeContext context) override {
    const auto params = context.getParams();
    if (params.getFollows().size() > edge_.edge_limits.follows_max) {
      write(edge_, context.getResults().initRefusals(1)[0], 0,
            {ErrorCode::LIMIT_EXCEEDED,
             "a subscription follows at most " + std::to_string(edge_.edge_limits.follows_max) + " entities", 0});
      return kj::READY_NOW;
    }
    std::vector<runtime::ItemRefusal> refusals;
    std::vector<std::pair<EntityId, Offset>> follows;
    std::uint32_t index = 0;
    for (const auto follow : params.getFollows()) {
      auto entity = runtime::check_entity(view(follow.getEntity()), edge_.catalogue);
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
      write(edge_, context.getResults().initRefusals(static_cast<unsigned>(refusals.size())), refusals);
      return kj::READY_NOW;
    }
    auto server = kj::heap<SubscriptionServer>(edge_, params.getSink());
    auto& feed = server->feed();
    wire::Subscription::Client subscription = kj::mv(server);
    return feed.start(std::move(follows))
        .then([this, context, subscription = kj::mv(subscription)](auto refused) mutable {
          auto results = context.getResults();
          results.setSubscription(kj::mv(subscription));
          write(edge_, results.initRefusals(static_cast<unsigned>(refused.size())), refused);
        });
  }

  kj::Promise<void> read(ReadContext context) override {
    const auto params = context.getParams();
    return read_page(edge_, view(params.getEntity()), params.getFrom(), params.getLimit())
        .then([this, context](Result<Page> page) mutable {
          auto results = context.getResults();
          if (!page) return write(edge_, results.initRefusal(), 0, page.error());
          results.setFirstOffset(page->run.first);
          results.setLastOffset(page->last);
          auto events = results.initEvents(static_cast<unsigned>(page->run.events.size()));
          for (unsigned i = 0; i < page->run.events.size(); ++i) write(events[i], page->run.events[i]);
        });
  }

  kj::Promise<void> inspect(InspectContext context) override {
    return inspect_entity(edge_, view(context.getParams().getEntity()))
        .then([this, context](Result<EntityInspection> seen) mutable {
          auto results = context.getResults();
          if (!seen) return write(edge_, results.initRefusal(), 0, seen.error());
          auto inspection = results.initInspection();
          inspection.setState(text(seen->state));
          inspection.setFirstOffset(seen->extent.first);
          inspection.setLastOffset(seen->extent.last);
          inspection.setCursor(seen->cursor);
          inspection.setDeadLetters(seen->dead_letters);
          inspection.setBehaviourVersion(seen->behaviour_version);
        });
  }

  kj::Promise<void> stats(StatsContext context) override {
    return stats_().then([context](const NodeStats& node) mutable {
      auto stats = context.getResults().initStats();
      stats.setVersion(text(node.version));
      stats.setUptimeMs(static_cast<std::uint64_t>(node.uptime.count()));
      const auto figures = node.figures();
      auto counters = stats.initCounters(static_cast<unsigned>(figures.size()));
      for (unsigned i = 0; i < figures.size(); ++i) {
        counters[i].setName(text(figures[i].full_name()));
        counters[i].setValue(figures[i].value);
      }
      const auto measured = node.stages();
      auto stages = stats.initStages(static_cast<unsigned>(measured.size()));
      for (unsigned i = 0; i < measured.size(); ++i) {
        stages[i].setStage(text(measured[i].name));
        stages[i].setCount(measured[i].latencies.count());
        stages[i].setP50Ms(measured[i].latencies.quantile_ms(0.5));
        stages[i].setP99Ms(measured[i].latencies.quantile_ms(0.99));
        stages[i].setMaxMs(measured[i].latencies.max_ms());
      }
    });
  }

  kj::Promise<void> deadLetters(DeadLettersContext context) override {
    return list_dead_letters(edge_, view(context.getParams().getEntity()))
        .then([this, context](Result<DeadLetterList> list) mutable {
          auto results = context.getResults();
          if (!list) return write(edge_, results.initRefusal(), 0, list.error());
          results.setMore(list->more);
          auto letters = results.initDeadLetters(static_cast<unsigned>(list->entries.size()));
          for (unsigned i = 0; i < list->entries.size(); ++i) {
            const auto& entry = list->entries[i];
            letters[i].setEntity(text(entry.entity.text()));
            letters[i].setOffset(entry.offset);
            letters[i].setReason(text(entry.letter.reason));
            letters[i].setAttempts(entry.letter.attempts);
            write(letters[i].initEvent(), entry.event);
          }
        });
  }

  kj::Promise<void> redrive(RedriveContext context) override {
    const auto params = context.getParams();
    return operate_on_dead_letter(edge_, view(params.getEntity()), params.getOffset(), true)
        .then([this, context](Result<Offset> done) mutable {
          if (done)
            context.getResults().setNewOffset(*done);
          else
            write(edge_, context.getResults().initRefusal(), 0, done.error());
        });
  }

  kj::Promise<void> discard(DiscardContext context) override {
    const auto params = context.getParams();
    return operate_on_dead_letter(edge_, view(params.getEntity()), params.getOffset(), false)
        .then([this, context](Result<Offset> done) mutable {
          if (!done) write(edge_, context.getResults().initRefusal(), 0, done.error());
        });
  }

  kj::Promise<void> cluster(ClusterContext context) override {
    if (!edge_.cluster) {
      write(edge_, context.getResults().initRefusal(), 0, no_cluster());
      return kj::READY_NOW;
    }
    return stats_().then([this, context](const NodeStats& node) mutable {
      auto results = context.getResults();
      if (!node.cluster)
        return write(edge_, results.initRefusal(), 0,
                     {ErrorCode::UNAVAILABLE, "what is known of the cluster did not come in time; try again", 0});
      auto cluster = results.initCluster();
      write(cluster, *node.cluster);
      const auto found = node.problems();
      auto problems = cluster.initProblems(static_cast<unsigned>(found.size()));
      for (unsigned i = 0; i < found.size(); ++i) problems.set(i, text(found[i].sentence));
    });
  }

  kj::Promise<void> drain(DrainContext context) override {
    if (!edge_.cluster) {
      write(edge_, context.getResults().initRefusal(), 0, no_cluster());
      return kj::READY_NOW;
    }
    const auto params = context.getParams();
    return edge_
        .ask<bool>([&](std::function<void(Result<bool>)> answer) {
          edge_.cluster->set_draining(
              std::string(view(params.getNode())), drain_of(params.getDrain()),
              [answer](const Result<void>& done) { answer(done ? Result<bool>(true) : Result<bool>(done.error())); });
        })
        .then([this, context](const Result<bool>& done) mutable {
          if (!done) write(edge_, context.getResults().initRefusal(), 0, done.error());
        });
  }

 private:
  Edge& edge_;
  const NodeStatsSource& stats_;
  PublishPath publish_path_;
};

capnp::ReaderOptions reader_options(const EdgeLimits& limits) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = limits.message_bytes_max / sizeof(capnp::word);
  return options;
}

// One connection with everything that hangs on it.
struct Connection final : capnp::BootstrapFactory<capnp::rpc::twoparty::VatId> {
  Connection(Edge& edge, const NodeStatsSource& stats, kj::Own<kj::AsyncIoStream> io)
      : stream(kj::mv(io)),
        network(*stream, capnp::rpc::twoparty::Side::SERVER, reader_options(edge.edge_limits)),
        gateway(kj::heap<GatewayServer>(edge, stats)),
        rpc(capnp::makeRpcServer(network, *this)) {
    // Beyond this, nothing more is read from the connection until calls are answered.
    rpc.setFlowLimit(2 * edge.edge_limits.message_bytes_max / sizeof(capnp::word));
  }

  capnp::Capability::Client createFor(capnp::rpc::twoparty::VatId::Reader) override {
    was_asked = true;
    return gateway;
  }

  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  wire::Gateway::Client gateway;
  bool was_asked = false;  // For the gateway, which is how every client begins.
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
};

}  // namespace

kj::Promise<void> serve_rpc(Edge& edge, const NodeStatsSource& stats, kj::Own<kj::AsyncIoStream> stream) {
  auto connection = kj::heap<Connection>(edge, stats, kj::mv(stream));
  auto& serving = *connection;
  auto silent = edge.timer.afterDelay(edge.edge_limits.first_call_within.count() * kj::MILLISECONDS)
                    .then([&serving]() -> kj::Promise<void> {
                      if (serving.was_asked) return kj::NEVER_DONE;
                      return kj::READY_NOW;
                    });
  return serving.network.onDisconnect()
      .exclusiveJoin(kj::mv(silent))
      .catch_([](kj::Exception&&) {})
      .attach(kj::mv(connection));
}

}  // namespace carillon::actors
