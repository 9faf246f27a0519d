#include "actors/http_operations.h"

#include <capnp/message.h>

#include <algorithm>

#include "actors/answer_json.h"
#include "actors/cluster_json.h"
#include "actors/metrics.h"
#include "actors/questions.h"
#include "actors/wire_answers.h"

namespace carillon::actors {
namespace {

kj::Promise<void> send_problems(HttpCall& call, const NodeStats& stats, bool fail_when_blocked) {
  auto problems = stats.problems();
  if (call.edge.leaving || call.edge.stopping) problems.push_back({"the node is stopping"});
  JsonWriter json;
  json.begin_object().field("status", problems.empty() ? "ok" : "degraded").key("problems").begin_array();
  if (call.token_refused) json.value("the token of this request is not good: " + call.token_refused->message);
  // Beyond loopback strangers may know how a node fares, as balancers must, but not why.
  if (call.edge.figures_are_open || call.rights.may_operate())
    for (const auto& problem : problems) json.value(problem.sentence);
  json.end_array().end_object();
  const bool fails = fail_when_blocked && std::ranges::any_of(problems, &Problem::blocks);
  return call.send(fails ? HttpStatus{503, "Service Unavailable"} : kHttpOk, "application/json", json.take() + "\n");
}

kj::Promise<void> operate(HttpCall& call, bool redrive) {
  const auto offset = whole_number(call.target.parameter("offset"));
  if (!offset || *offset == 0)
    return call.refuse({ErrorCode::MALFORMED, "name the dead letter: ?offset=N, counted from 1", 0});
  return operate_on_dead_letter(call.edge, call.rights, call.target.entity(), *offset, redrive)
      .then([&call, redrive, discarded = *offset](const Result<Offset>& done) {
        if (!done) return call.refuse(done.error());
        JsonWriter json;
        json.begin_object().field(redrive ? "new_offset" : "discarded", redrive ? *done : discarded).end_object();
        return call.send_json(json.take());
      });
}

}  // namespace

kj::Promise<void> send_health(HttpCall& call, const NodeStatsSource& stats) {
  // Alive in any case: what is acknowledged is still served, and a restart would not mend a disk.
  return stats().then([&call](const NodeStats& node) { return send_problems(call, node, false); });
}

kj::Promise<void> send_readiness(HttpCall& call, const NodeStatsSource& stats) {
  return stats().then([&call](const NodeStats& node) { return send_problems(call, node, true); });
}

kj::Promise<void> send_metrics(HttpCall& call, const NodeStatsSource& stats) {
  if (!call.edge.figures_are_open)
    if (auto allowed = call.rights.check_operate(); !allowed)
      return call.refuse(call.token_refused.value_or(allowed.error()));
  return stats().then(
      [&call](const NodeStats& node) { return call.send(kHttpOk, "text/plain; version=0.0.4", to_prometheus(node)); });
}

kj::Promise<void> send_stats(HttpCall& call, const NodeStatsSource& stats) {
  return stats().then([&call](const NodeStats& node) {
    capnp::MallocMessageBuilder message;
    auto told = message.initRoot<wire::Stats>();
    write(told, node);
    return call.send_json(stats_json(told));
  });
}

kj::Promise<void> send_cluster(HttpCall& call, const NodeStatsSource& stats) {
  if (!call.edge.cluster) return call.refuse(no_cluster());
  return stats().then([&call](const NodeStats& node) {
    if (!node.cluster) return call.refuse(no_cluster_report());
    capnp::MallocMessageBuilder message;
    auto told = message.initRoot<wire::Cluster>();
    write_cluster(told, node);
    return call.send_json(cluster_json({told, {}}));
  });
}

kj::Promise<void> send_inspection(HttpCall& call) {
  return inspect_entity(call.edge, call.rights, call.target.entity())
      .then([&call](const Result<EntityInspection>& seen) {
        if (!seen) return call.refuse(seen.error());
        capnp::MallocMessageBuilder message;
        auto told = message.initRoot<wire::Inspection>();
        write(told, *seen);
        return call.send_json(inspection_json(call.target.entity(), told));
      });
}

kj::Promise<void> send_dead_letters(HttpCall& call) {
  const auto entity = call.target.names_entity() ? call.target.entity() : std::string();
  return list_dead_letters(call.edge, call.rights, entity).then([&call](const Result<DeadLetterList>& list) {
    if (!list) return call.refuse(list.error());
    JsonWriter json(4096);
    json.begin_object().key("dead_letters").begin_array();
    for (const auto& entry : list->entries) {
      capnp::MallocMessageBuilder message;
      auto told = message.initRoot<wire::DeadLetter>();
      write(told, entry);
      json.raw(dead_letter_json(told));
    }
    json.end_array().field("more", list->more).key("absent_partitions").begin_array();
    for (const auto partition : list->absent) json.value(partition.value);
    return call.send_json(json.end_array().end_object().take());
  });
}

kj::Promise<void> redrive_dead_letter(HttpCall& call) { return operate(call, true); }
kj::Promise<void> discard_dead_letter(HttpCall& call) { return operate(call, false); }

}  // namespace carillon::actors
