#include "runtime/publish_calls.h"

#include <algorithm>
#include <string>
#include <utility>

namespace carillon::runtime {

PublishCalls::Begun PublishCalls::begin(const ProducerId& producer, std::uint32_t count, const Item& item,
                                        const Permit& permit, const Gate& gate) {
  Begun begun{.call = ++last_call_, .requests = {}, .finished = {}};
  Call call{.producer = producer, .outcome = {}, .parts = {}, .items = std::vector<Placed>(count)};
  std::vector<std::vector<PublishItem>> by_partition(partitions_);
  const auto share = std::min<std::size_t>(count, limits_->batch_events_max) / partitions_;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto view = item(i);
    auto& placed = call.items[i];
    placed.sequence = view.sequence;
    auto permitted = permit(view.entity);
    auto checked = permitted ? check_publication(view, producer, i, *catalogue_, *limits_)
                             : Result<PublishItem>(std::move(permitted.error()));
    if (!checked) {
      order_.given_up(producer, view.sequence);  // By a token that has been renewed, perhaps.
      refuse(call, i, std::move(checked.error()));
      continue;
    }
    auto passed = order_.pass(producer, view.sequence);
    if (count > limits_->batch_events_max) {
      // What comes behind it in a call that is small enough must not overtake.
      if (passed || passed.error().code == ErrorCode::OVERLOADED) order_.refused(producer, view.sequence);
      refuse(call, i,
             {ErrorCode::LIMIT_EXCEEDED,
              "a batch holds at most " + std::to_string(limits_->batch_events_max) + " events", 0});
      continue;
    }
    if (!passed) {
      refuse(call, i, std::move(passed.error()));
      continue;
    }
    const auto bytes = view.payload.size() + sizeof(PublishItem);
    if (auto shut = gate(events_under_way_ + i + 1, bytes_under_way_ + call.bytes + bytes)) {
      refuse(call, i, std::move(*shut));
      continue;
    }
    call.bytes += bytes;
    placed.partition = checked->entity.partition_of(partitions_).value;
    auto& items = by_partition[placed.partition];
    if (items.empty()) items.reserve(share + share / 2 + 1);  // Moving them later would cost more than some room.
    items.push_back(std::move(*checked));
  }
  for (std::uint16_t p = 0; p < partitions_; ++p) {
    auto& items = by_partition[p];
    if (items.empty()) continue;
    call.parts.push_back({{p}, items.front().index});
    begun.requests.push_back({{p}, {session_, begun.call, std::move(items)}});
  }
  events_under_way_ += count;
  bytes_under_way_ += call.bytes;
  const auto at = calls_.emplace(begun.call, std::move(call)).first;
  if (begun.requests.empty()) begun.finished = finish(at);
  return begun;
}

std::optional<PublishCalls::Finished> PublishCalls::answered(const Published& published) {
  const auto at = calls_.find(published.call);
  if (at == calls_.end()) return std::nullopt;
  auto& call = at->second;
  const auto part = std::ranges::find(call.parts, published.first_index, &Part::first_index);
  if (part == call.parts.end()) return std::nullopt;
  const auto partition = part->partition;
  if (order_.waits_for(call.producer))
    for (const auto& placed : call.items)
      if (placed.partition == partition.value) order_.given_up(call.producer, placed.sequence);
  call.parts.erase(part);
  call.outcome.accepted += published.accepted;
  call.outcome.duplicates += published.duplicates;
  for (const auto& refusal : published.refusals)
    if (refusal.index < call.items.size() && call.items[refusal.index].partition == partition.value)
      refuse(call, refusal.index, refusal.error);  // Another node may say anything.
  if (!call.parts.empty()) return std::nullopt;
  return finish(at);
}

std::vector<PublishCalls::Finished> PublishCalls::reloaded(PartitionId partition) {
  std::vector<Finished> finished;
  for (auto at = calls_.begin(); at != calls_.end();) {
    const auto next = std::next(at);
    auto& call = at->second;
    const auto part = std::ranges::find(call.parts, partition, &Part::partition);
    if (part != call.parts.end()) {
      call.parts.erase(part);
      for (std::uint32_t i = 0; i < call.items.size(); ++i)
        if (call.items[i].partition == partition.value)
          refuse(call, i, {ErrorCode::UNAVAILABLE, "the partition was loaded anew; begin again at this event", 0});
      if (call.parts.empty()) finished.push_back(finish(at));
    }
    at = next;
  }
  return finished;
}

void PublishCalls::refuse(Call& call, std::uint32_t index, Error error) {
  if (error.code == ErrorCode::OVERLOADED || error.code == ErrorCode::UNAVAILABLE)
    order_.refused(call.producer, call.items.at(index).sequence);
  call.outcome.refusals.push_back({index, std::move(error)});
}

PublishCalls::Finished PublishCalls::finish(std::unordered_map<Number, Call>::iterator at) {
  auto& call = at->second;
  events_under_way_ -= call.items.size();
  bytes_under_way_ -= call.bytes;
  std::ranges::sort(call.outcome.refusals, {}, &ItemRefusal::index);
  Finished finished{at->first, std::move(call.outcome)};
  calls_.erase(at);
  return finished;
}

}  // namespace carillon::runtime
