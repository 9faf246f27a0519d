#include "actors/publish_path.h"

#include <algorithm>

#include "actors/session.h"

namespace carillon::actors {

using runtime::ItemRefusal;
using runtime::PublishItem;

PublishPath::~PublishPath() {
  edge_.events_under_way -= events_under_way_;
  edge_.bytes_under_way -= bytes_under_way_;
  if (!session_) return;
  edge_.publish_paths.erase(session_id_);
  caf::anon_send(session_, SessionClosed{session_id_});
}

void PublishPath::open_session() {
  if (session_) return;
  session_id_ = edge_.new_session();
  edge_.publish_paths.emplace(session_id_, this);
  SessionOptions options;
  options.id = session_id_;
  options.partitions = edge_.partitions;
  options.answer = [edge = &edge_, inbox = edge_.inbox](runtime::Published published) {
    inbox->push([edge, published = std::move(published)] {
      const auto found = edge->publish_paths.find(published.session);
      if (found != edge->publish_paths.end()) found->second->answered(published);
    });
  };
  // The partitions hear of the session from this thread, so that they do before they get its first call.
  session_ = edge_.system.spawn(session, options);
  for (const auto& partition : *edge_.partitions)
    caf::anon_send(partition, SessionOpened{session_id_, session_, options.answer});
}

bool PublishPath::has_room(std::size_t events, std::size_t bytes) const {
  const auto& limits = edge_.edge_limits;
  return events_under_way_ + events <= limits.connection_events_max &&
         bytes_under_way_ + bytes <= limits.connection_bytes_max &&
         edge_.events_under_way + events <= limits.node_events_max &&
         edge_.bytes_under_way + bytes <= limits.node_bytes_max;
}

kj::Promise<PublishOutcome> PublishPath::publish(
    const ProducerId& producer, std::uint32_t count,
    const std::function<runtime::PublicationView(std::uint32_t)>& item) {
  ++edge_.counters.publish_calls;
  open_session();
  const auto number = ++last_call_;
  Call call{{}, producer, {}, {}, 0, Clock::now(), {}};
  call.sequences.reserve(count);
  std::vector<std::vector<PublishItem>> by_partition(edge_.partition_count());

  const auto refuse_for_now = [&](std::uint32_t index, Sequence sequence, ErrorCode code, const char* why) {
    admission_.refused(producer, sequence);
    call.outcome.refusals.push_back({index, Error{code, why, 0}});
  };
  std::size_t events = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto view = item(i);
    call.sequences.push_back(view.sequence);
    auto checked = runtime::check_publication(view, producer, i, edge_.catalogue, edge_.limits);
    const auto bytes = view.payload.size() + sizeof(PublishItem);
    if (!checked) {
      call.outcome.refusals.push_back({i, std::move(checked.error())});
    } else if (edge_.stopping) {
      refuse_for_now(i, view.sequence, ErrorCode::UNAVAILABLE, "the node is stopping; connect again in a moment");
    } else if (!admission_.passes(producer, view.sequence)) {
      refuse_for_now(i, view.sequence, ErrorCode::OVERLOADED,
                     "an earlier event of this producer was refused; begin again there");
    } else if (!has_room(events + 1, call.bytes + bytes)) {
      ++edge_.counters.overloaded;
      refuse_for_now(i, view.sequence, ErrorCode::OVERLOADED,
                     "too much is under way already; wait, then begin again at this event");
    } else {
      ++events;
      call.bytes += bytes;
      by_partition[checked->entity.partition_of(edge_.partition_count()).value].push_back(std::move(*checked));
    }
  }

  for (std::uint16_t p = 0; p < by_partition.size(); ++p) {
    auto& items = by_partition[p];
    if (items.empty()) continue;
    call.parts.push_back({{p}, items.front().index, items.front().event.sequence});
    caf::anon_send((*edge_.partitions)[p],
                   Publish{{session_id_, number, std::move(items)}, edge_.lives[p]});
  }
  events_under_way_ += count;
  edge_.events_under_way += count;
  bytes_under_way_ += call.bytes;
  edge_.bytes_under_way += call.bytes;
  auto promise = kj::newPromiseAndFulfiller<PublishOutcome>();
  call.fulfiller = kj::mv(promise.fulfiller);
  finish_if_complete(calls_.emplace(number, std::move(call)).first);
  return kj::mv(promise.promise);
}

void PublishPath::finish_if_complete(std::unordered_map<std::uint64_t, Call>::iterator at) {
  auto& call = at->second;
  if (!call.parts.empty()) return;
  const auto events = call.sequences.size();
  events_under_way_ -= events;
  edge_.events_under_way -= events;
  bytes_under_way_ -= call.bytes;
  edge_.bytes_under_way -= call.bytes;
  edge_.counters.publish.add(Clock::now() - call.received);
  std::ranges::sort(call.outcome.refusals, {}, &ItemRefusal::index);
  call.fulfiller->fulfill(std::move(call.outcome));
  calls_.erase(at);
}

void PublishPath::answered(const runtime::Published& published) {
  const auto at = calls_.find(published.call);
  if (at == calls_.end()) return;
  auto& call = at->second;
  const auto part = std::ranges::find(call.parts, published.first_index, &Part::first_index);
  if (part == call.parts.end()) return;
  call.parts.erase(part);
  call.outcome.accepted += published.accepted;
  call.outcome.duplicates += published.duplicates;
  for (const auto& refusal : published.refusals) {
    if (refusal.error.code == ErrorCode::UNAVAILABLE)
      admission_.refused(call.producer, call.sequences.at(refusal.index));
    call.outcome.refusals.push_back(refusal);
  }
  finish_if_complete(at);
}

void PublishPath::reloaded(PartitionId partition) {
  for (auto at = calls_.begin(); at != calls_.end();) {
    const auto next = std::next(at);
    auto& call = at->second;
    const auto part = std::ranges::find(call.parts, partition, &Part::partition);
    if (part != call.parts.end()) {
      admission_.refused(call.producer, part->first_sequence);
      call.outcome.refusals.push_back(
          {part->first_index,
           Error{ErrorCode::UNAVAILABLE, "the partition was loaded anew; begin again at this event", 0}});
      call.parts.erase(part);
      finish_if_complete(at);
    }
    at = next;
  }
}

}  // namespace carillon::actors
