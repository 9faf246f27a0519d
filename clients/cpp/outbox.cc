#include "clients/cpp/outbox.h"

#include <algorithm>

#include "messages/trace_parent.h"

namespace carillon::client {
namespace {

constexpr std::size_t kSlotsAtFirst = 64;  // A power of two.

bool passes(ErrorCode code) { return code == ErrorCode::OVERLOADED || code == ErrorCode::UNAVAILABLE; }

}  // namespace

Publication Outbox::Slot::publication() const {
  const std::string_view all = text;
  const std::size_t before_payload = entity_bytes + type_bytes, behind_payload = all.size() - traceparent_bytes;
  return {all.substr(0, entity_bytes), all.substr(entity_bytes, type_bytes),
          all.substr(before_payload, behind_payload - before_payload), sequence, all.substr(behind_payload)};
}

Outbox::Outbox(Limits limits) : limits_(limits), slots_(kSlotsAtFirst) {
  CHECK(limits.queued_events_max > 0 && limits.batch_events_max > 0 && limits.calls_in_flight_max > 0);
}

bool Outbox::offer(const Publication& publication) {
  CHECK(publication.sequence > highest_);
  const auto traceparent = TraceParent::parse(publication.traceparent);
  const std::size_t bytes = publication.entity.size() + publication.type.size() + publication.payload.size() +
                            (traceparent ? TraceParent::kTextBytes : 0);
  // What is larger than all of the room still goes alone: the node says that it is too large.
  if (queued() >= limits_.queued_events_max || (!empty() && queued_bytes_ + bytes > limits_.queued_bytes_max))
    return false;
  if (queued() == slots_.size()) grow();
  Slot& fresh = slot(end_++);
  fresh.sequence = highest_ = publication.sequence;
  fresh.text.clear();
  fresh.text.reserve(bytes);
  fresh.text.append(publication.entity).append(publication.type).append(publication.payload);
  fresh.entity_bytes = static_cast<std::uint32_t>(publication.entity.size());
  fresh.type_bytes = static_cast<std::uint32_t>(publication.type.size());
  fresh.traceparent_bytes = 0;
  if (traceparent) {
    fresh.text.append(traceparent->text());
    fresh.traceparent_bytes = TraceParent::kTextBytes;
  }
  fresh.settled = false;
  fresh.call = 0;
  queued_bytes_ += bytes;
  return true;
}

bool Outbox::may_send() const {
  return !holding_ && calls_.size() < limits_.calls_in_flight_max && next_ < end_ &&
         slot(next_).sequence - slot(front_).sequence < kSpan;
}

Outbox::Call Outbox::next_call() {
  if (!may_send()) return {};
  CallInFlight call{.id = ++last_call_, .first = next_, .end = next_, .events = 0};
  batch_.clear();
  std::size_t bytes = 0;
  const Sequence beyond = slot(front_).sequence + kSpan;
  for (; next_ < end_; ++next_) {
    Slot& next = slot(next_);
    if (next.settled) continue;
    if (next.sequence >= beyond || batch_.size() == limits_.batch_events_max) break;
    if (!batch_.empty() && bytes + next.text.size() > limits_.batch_bytes_max) break;
    bytes += next.text.size();
    next.call = call.id;
    batch_.push_back(next.publication());
  }
  call.end = next_;
  call.events = batch_.size();
  CHECK(call.events > 0);  // `next_` is unsettled whenever may_send().
  calls_.push_back(call);
  return {call.id, batch_};
}

const Outbox::Outcome& Outbox::answered(CallId id, std::vector<Refusal> refusals) {
  const CallInFlight call = take(id);
  outcome_.accepted.clear();
  outcome_.refused.clear();
  std::ranges::sort(refusals, {}, &Refusal::index);
  auto refusal = refusals.begin();
  std::int64_t index = -1;
  for (std::uint64_t position = call.first; position < call.end; ++position) {
    Slot& item = slot(position);
    if (item.call != id) continue;
    item.call = 0;
    ++index;
    while (refusal != refusals.end() && refusal->index < index) ++refusal;
    if (refusal == refusals.end() || refusal->index != index) {
      outcome_.accepted.push_back(item.sequence);
      settle(item);
      continue;
    }
    const ErrorCode code = refusal->error.code;
    if (passes(code)) {
      hold(std::max(refusal->retry_after, kPauseShortest));
    } else if (code == ErrorCode::LIMIT_EXCEEDED && call.events > 1) {
      // The node takes smaller batches than we thought.
      limits_.batch_events_max = std::max<std::size_t>(1, std::min(limits_.batch_events_max, call.events / 2));
      hold(kPauseShortest);
    } else {
      outcome_.refused.push_back({item.sequence, std::move(refusal->error)});
      settle(item);
    }
  }
  return conclude();
}

const Outbox::Outcome& Outbox::failed(CallId id) {
  const CallInFlight call = take(id);
  outcome_.accepted.clear();
  outcome_.refused.clear();
  for (std::uint64_t position = call.first; position < call.end; ++position)
    if (slot(position).call == id) slot(position).call = 0;
  hold(kPauseAfterFailure);
  return conclude();
}

void Outbox::resume() {
  CHECK(holding_ && calls_.empty());
  holding_ = false;
  pause_ = {};
  next_ = front_;
}

void Outbox::disconnected() {
  for (std::uint64_t position = front_; position < end_; ++position) slot(position).call = 0;
  calls_.clear();
  holding_ = false;
  pause_ = {};
  next_ = front_;
}

Outbox::CallInFlight Outbox::take(CallId id) {
  const auto found = std::ranges::find(calls_, id, &CallInFlight::id);
  CHECK(found != calls_.end());
  const CallInFlight call = *found;
  calls_.erase(found);
  return call;
}

void Outbox::settle(Slot& settled) {
  settled.settled = true;
  queued_bytes_ -= settled.text.size();
  if (settled.text.capacity() > kTextBytesKept) std::string().swap(settled.text);
}

void Outbox::hold(std::chrono::milliseconds pause) {
  holding_ = true;
  pause_ = std::max(pause_, pause);
}

const Outbox::Outcome& Outbox::conclude() {
  while (front_ < end_ && slot(front_).settled) ++front_;
  next_ = std::max(next_, front_);
  outcome_.pause.reset();
  if (holding_ && calls_.empty()) outcome_.pause = pause_;
  return outcome_;
}

void Outbox::grow() {
  std::vector<Slot> larger(slots_.size() * 2);
  for (std::uint64_t position = front_; position < end_; ++position)
    larger[position & (larger.size() - 1)] = std::move(slot(position));
  slots_ = std::move(larger);
}

}  // namespace carillon::client
