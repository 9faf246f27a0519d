#include "actors/node_publisher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>

#include "actors/wire_answers.h"

namespace carillon::actors {

NodePublisher::NodePublisher(Edge& edge, const std::string& name) : edge_(edge), path_(edge), tasks_(*this) {
  for (std::size_t p = 0; p < edge.partitions->size(); ++p)
    lanes_.push_back({ProducerId::node(name + " " + std::to_string(p)).value()});
}

// One partition that is away takes no room from the others.
bool NodePublisher::has_room(For whom, const EntityId& entity) const {
  const auto& lane = lanes_[entity.partition_of(edge_.partition_count()).value];
  return has_room(whom) && lane.counts[static_cast<std::size_t>(whom)] < kWaitingMax / kLanesFull;
}

kj::Promise<Result<void>> NodePublisher::publish(For whom, EntityId entity, std::string type, std::string payload) {
  if (!has_room(whom, entity))
    return Result<void>(Error{ErrorCode::OVERLOADED, "too much waits to be stored already; try again later", 0});
  auto& lane = lanes_[entity.partition_of(edge_.partition_count()).value];
  auto stored = kj::newPromiseAndFulfiller<Result<void>>();
  lane.waiting.push_back(
      {whom, std::move(entity), std::move(type), std::move(payload), ++lane.last, kj::mv(stored.fulfiller)});
  ++waiting_[static_cast<std::size_t>(whom)];
  ++lane.counts[static_cast<std::size_t>(whom)];
  if (!std::exchange(lane.busy, true)) tasks_.add(work(lane));
  return kj::mv(stored.promise);
}

kj::Promise<void> NodePublisher::work(Lane& lane) {
  if (lane.waiting.empty()) {
    lane.busy = false;
    return kj::READY_NOW;
  }
  const auto most = std::min<std::size_t>(kEventsInCall, edge_.limits.batch_events_max);
  const auto count = static_cast<std::uint32_t>(std::min(lane.waiting.size(), most));
  return path_
      .publish(access::Rights::everything(), lane.producer, count,
               [&lane](std::uint32_t i) {
                 const auto& item = lane.waiting[i];
                 return runtime::PublicationView{item.entity.text(), item.type, item.payload, item.sequence};
               })
      .then([this, &lane, count](const runtime::PublishOutcome& outcome) {
        const auto pause = settle(lane, count, outcome);
        if (pause.count() == 0) return work(lane);
        return edge_.timer.afterDelay(pause.count() * kj::MILLISECONDS).then([this, &lane] { return work(lane); });
      });
}

std::chrono::milliseconds NodePublisher::settle(Lane& lane, std::uint32_t count,
                                                const runtime::PublishOutcome& outcome) {
  std::map<std::uint32_t, const Error*> refused;
  for (const auto& refusal : outcome.refusals) refused.emplace(refusal.index, &refusal.error);
  std::chrono::milliseconds pause{0};
  std::deque<Item> again;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto item = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    const auto found = refused.find(i);
    const auto wait =
        found == refused.end() ? std::chrono::milliseconds(0) : retry_after(edge_.edge_limits, *found->second);
    if (wait.count() > 0) {
      pause = std::max(pause, wait);
      again.push_back(std::move(item));
      continue;
    }
    --waiting_[static_cast<std::size_t>(item.whom)];
    --lane.counts[static_cast<std::size_t>(item.whom)];
    item.stored->fulfill(found == refused.end() ? Result<void>() : Result<void>(*found->second));
  }
  while (!again.empty()) {
    lane.waiting.push_front(std::move(again.back()));
    again.pop_back();
  }
  return pause;
}

void NodePublisher::taskFailed(kj::Exception&& failed) {
  spdlog::error("the node's own events are not published any more: {}", failed.getDescription().cStr());
}

}  // namespace carillon::actors
