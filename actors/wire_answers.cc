#include "actors/wire_answers.h"

#include <cstring>

#include "actors/cluster_report.h"

namespace carillon::actors {
namespace {

capnp::Text::Reader text(const std::string& string) { return {string.data(), string.size()}; }

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
    backups[i].setKeepsMissingEntries(backup.keeps_missing_entries);
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

}  // namespace

std::chrono::milliseconds retry_after(const EdgeLimits& limits, const Error& error) {
  if (error.retry_after.count() > 0) return error.retry_after;
  if (error.code == ErrorCode::OVERLOADED) return limits.overloaded_retry;
  if (error.code == ErrorCode::UNAVAILABLE) return limits.unavailable_retry;
  return std::chrono::milliseconds(0);
}

void write(wire::StoredEvent::Builder out, const Event& event) {
  out.setType(text(event.type));
  out.setPayload(text(event.payload));
  const auto label = event.producer.label(), name = event.producer.name();
  auto producer = out.initProducer(static_cast<unsigned>(label.size() + 1 + name.size()));
  std::memcpy(producer.begin(), label.data(), label.size());
  producer[label.size()] = ' ';
  std::memcpy(producer.begin() + label.size() + 1, name.data(), name.size());
  out.setSequence(event.sequence);
  out.setAcceptedAtMs(event.accepted_at_ms);
  out.setRedriveOf(event.redrive_of);
  if (event.traceparent) out.setTraceparent(text(event.traceparent->text()));
}

void write(const EdgeLimits& limits, wire::Refusal::Builder out, std::uint32_t index, const Error& error) {
  out.setIndex(index);
  out.setCode(error.code);
  out.setMessage(text(error.message));
  out.setFirstOffset(error.first_offset);
  out.setRetryAfterMs(static_cast<std::uint32_t>(retry_after(limits, error).count()));
}

void write(const EdgeLimits& limits, capnp::List<wire::Refusal>::Builder out,
           const std::vector<runtime::ItemRefusal>& refusals) {
  for (unsigned i = 0; i < refusals.size(); ++i) write(limits, out[i], refusals[i].index, refusals[i].error);
}

void write(wire::Inspection::Builder out, const EntityInspection& inspection) {
  out.setState(text(inspection.state));
  out.setFirstOffset(inspection.extent.first);
  out.setLastOffset(inspection.extent.last);
  out.setCursor(inspection.cursor);
  out.setDeadLetters(inspection.dead_letters);
  out.setBehaviourVersion(inspection.behaviour_version);
}

void write(wire::DeadLetter::Builder out, const runtime::DeadLetterEntry& entry) {
  out.setEntity(text(entry.entity.text()));
  out.setOffset(entry.offset);
  out.setReason(text(entry.letter.reason));
  out.setAttempts(entry.letter.attempts);
  write(out.initEvent(), entry.event);
}

void write(wire::Stats::Builder out, const NodeStats& node) {
  out.setVersion(text(node.version));
  out.setUptimeMs(static_cast<std::uint64_t>(node.uptime.count()));
  const auto figures = node.figures();
  auto counters = out.initCounters(static_cast<unsigned>(figures.size()));
  for (unsigned i = 0; i < figures.size(); ++i) {
    counters[i].setName(text(figures[i].full_name()));
    counters[i].setValue(figures[i].value);
  }
  const auto measured = node.stages();
  auto stages = out.initStages(static_cast<unsigned>(measured.size()));
  for (unsigned i = 0; i < measured.size(); ++i) {
    stages[i].setStage(text(measured[i].name));
    stages[i].setCount(measured[i].latencies.count());
    stages[i].setP50Ms(measured[i].latencies.quantile_ms(0.5));
    stages[i].setP99Ms(measured[i].latencies.quantile_ms(0.99));
    stages[i].setMaxMs(measured[i].latencies.max_ms());
  }
  const auto busy = node.busiest();
  auto busiest = out.initBusiest(static_cast<unsigned>(busy.size()));
  for (unsigned i = 0; i < busy.size(); ++i) {
    busiest[i].setEntity(text(busy[i].entity));
    busiest[i].setEventsPerS(busy[i].events_per_s);
  }
}

void write_cluster(wire::Cluster::Builder out, const NodeStats& stats) {
  const auto& report = *stats.cluster;
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
  const auto found = stats.problems();
  auto problems = out.initProblems(static_cast<unsigned>(found.size()));
  for (unsigned i = 0; i < found.size(); ++i) problems.set(i, text(found[i].sentence));
}

}  // namespace carillon::actors
