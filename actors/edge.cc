#include "actors/edge.h"

#include "actors/entitlement.h"
#include "actors/gateway_sessions.h"
#include "actors/publish_path.h"
#include "messages/rfc3339.h"

namespace carillon::actors {

std::int64_t wall_clock_ms() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
}

void EdgeCounters::add(const EdgeCounters& other) {
  const auto add_limited = [](Limited& mine, const Limited& others) {
    mine.connections += others.connections;
    mine.requests += others.requests;
    mine.reads += others.reads;
  };
  publish_calls += other.publish_calls;
  overloaded += other.overloaded;
  delivered += other.delivered;
  connections += other.connections;
  connections_refused += other.connections_refused;
  handshakes_failed += other.handshakes_failed;
  tokens_refused += other.tokens_refused;
  tokens_ended += other.tokens_ended;
  add_limited(limited_by_address, other.limited_by_address);
  add_limited(limited_by_subject, other.limited_by_subject);
  publish.merge(other.publish);
  deliver.merge(other.deliver);
}

Edge::Edge(caf::actor_system& actor_system, Partitions all_partitions, Catalogue behaviours,
           runtime::Limits runtime_limits, EdgeLimits own_limits, NodeEdge& shared, std::shared_ptr<Inbox> jobs,
           kj::Timer& clock)
    : system(actor_system),
      partitions(std::move(all_partitions)),
      catalogue(std::move(behaviours)),
      limits(runtime_limits),
      edge_limits(std::move(own_limits)),
      node(shared),
      inbox(std::move(jobs)),
      timer(clock),
      lives(partitions->size(), 0),
      session_host(std::make_shared<GatewaySessions>(*this, inbox)) {}

Result<access::Rights> Edge::admit(std::string_view token) {
  auto rights = gatekeeper.admit(token, wall_clock_ms());
  if (!rights && !token.empty()) ++counters.tokens_refused;
  return rights;
}

Result<void> Edge::check_still_holds(const access::Rights& rights) const {
  const auto expires = rights.expires_at_ms();
  if (!expires) return {};
  if (*expires <= wall_clock_ms())
    return Error{ErrorCode::UNAUTHENTICATED, "the token expired at " + rfc3339(*expires), 0};
  if (!gatekeeper.still_trusts(rights))
    return Error{ErrorCode::UNAUTHENTICATED, "the key that signed the token is no longer valid", 0};
  return {};
}

void Edge::replace_gatekeeper(access::Gatekeeper other) {
  gatekeeper = std::move(other);
  for (auto* entitlement : entitlements) entitlement->keys_replaced();
}

void Edge::reloaded(PartitionId partition, std::uint64_t life) {
  lives.at(partition.value) = life;
  for (const auto& [session, path] : publish_paths) path->reloaded(partition);
  std::erase_if(left_behind_, [](const auto& entry) { return entry.second->is_idle(); });
}

void Edge::answered(const runtime::Published& answer) {
  const auto path = publish_paths.find(answer.session);
  if (path != publish_paths.end()) path->second->answered(answer);
  const auto left = left_behind_.find(answer.session);
  if (left != left_behind_.end() && left->second->is_idle()) left_behind_.erase(left);
}

void Edge::leave_behind(std::shared_ptr<PublishPath> path) {
  if (path->is_idle()) return;
  path->connection_ended();
  left_behind_.emplace(path->session(), std::move(path));
}

}  // namespace carillon::actors
