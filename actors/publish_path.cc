#include "actors/publish_path.h"

#include <algorithm>
#include <utility>

namespace carillon::actors {

using runtime::PublishCalls;
using runtime::PublishOutcome;

PublishPath::~PublishPath() {
  edge_.node.events_under_way -= events_accounted_;
  edge_.node.bytes_under_way -= bytes_accounted_;
  if (line_) edge_.publish_paths.erase(line_->id());
}

void PublishPath::open_session() {
  if (line_) return;
  line_.emplace(edge_);
  calls_.emplace(line_->id(), edge_.partition_count(), edge_.catalogue, edge_.limits);
  edge_.publish_paths.emplace(line_->id(), this);
}

std::optional<Error> PublishPath::refusal_now(std::size_t events, std::size_t bytes) {
  if (edge_.stopping) return Error{ErrorCode::UNAVAILABLE, "the node is stopping; connect again in a moment", 0};
  const auto& limits = edge_.edge_limits;
  if (events <= limits.connection_events_max && bytes <= limits.connection_bytes_max &&
      edge_.node.events_under_way - events_accounted_ + events <= limits.node_events_max &&
      edge_.node.bytes_under_way - bytes_accounted_ + bytes <= limits.node_bytes_max)
    return std::nullopt;
  return Error{ErrorCode::OVERLOADED, "too much is under way already; wait, then begin again at this event", 0};
}

std::optional<Error> PublishPath::refusal_of_all(std::size_t count) const {
  constexpr std::size_t kRefusalsMax = 32'768;  // In one answer.
  const auto most = edge_.limits.batch_events_max;
  if (count <= std::max(kRefusalsMax, most)) return std::nullopt;
  return Error{ErrorCode::LIMIT_EXCEEDED, "a batch holds at most " + std::to_string(most) + " events", 0};
}

kj::Promise<PublishOutcome> PublishPath::publish(const access::Rights& rights, const ProducerId& producer,
                                                 std::uint32_t count, const PublishCalls::Item& item) {
  ++edge_.counters.publish_calls;
  open_session();
  const auto received = Clock::now();
  const auto own_name = rights.check_producer(producer.name());
  const auto permit = [&](std::string_view entity) { return own_name ? rights.check_publish(entity) : own_name; };
  // Whoever publishes too much is refused the whole call, so that it is begun again as it is.
  const auto too_much = visit_ != nullptr ? visit_->refusal_of(count, std::min(count, counted_)) : std::nullopt;
  auto begun = calls_->begin(producer, count, item, permit, [&](std::size_t events, std::size_t bytes) {
    return too_much ? too_much : refusal_now(events, bytes);
  });
  std::uint32_t passed = 0;
  for (auto& [partition, request] : begun.requests) {
    passed += static_cast<std::uint32_t>(request.items.size());
    line_->send(partition, Publish{std::move(request), edge_.lives[partition.value]});
  }
  const auto events = count == 0 ? 1 : passed;  // An empty call is work as well.
  if (visit_ != nullptr) visit_->published(events - std::min(events, counted_));
  auto promise = kj::newPromiseAndFulfiller<PublishOutcome>();
  waiting_.emplace(begun.call, Waiting{received, too_much.has_value(), kj::mv(promise.fulfiller)});
  if (begun.finished) finish(std::move(*begun.finished));
  account();
  return kj::mv(promise.promise);
}

void PublishPath::answered(const runtime::Published& published) {
  if (auto finished = calls_->answered(published)) finish(std::move(*finished));
  account();
}

void PublishPath::reloaded(PartitionId partition) {
  for (auto& finished : calls_->reloaded(partition)) finish(std::move(finished));
  account();
}

void PublishPath::finish(PublishCalls::Finished finished) {
  const auto waiting = waiting_.find(finished.call);
  edge_.counters.publish.add(Clock::now() - waiting->second.received);
  if (!waiting->second.is_limited)
    edge_.counters.overloaded += static_cast<std::uint64_t>(std::ranges::count_if(
        finished.outcome.refusals,
        [](const runtime::ItemRefusal& refusal) { return refusal.error.code == ErrorCode::OVERLOADED; }));
  waiting->second.fulfiller->fulfill(std::move(finished.outcome));
  waiting_.erase(waiting);
}

void PublishPath::account() {
  edge_.node.events_under_way += calls_->events_under_way() - events_accounted_;
  edge_.node.bytes_under_way += calls_->bytes_under_way() - bytes_accounted_;
  events_accounted_ = calls_->events_under_way();
  bytes_accounted_ = calls_->bytes_under_way();
}

}  // namespace carillon::actors
