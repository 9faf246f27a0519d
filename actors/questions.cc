#include "actors/questions.h"

#include <algorithm>
#include <optional>

#include "runtime/admission.h"

namespace carillon::actors {
namespace {

constexpr std::uint32_t kPageEventsMax = 1'000;
constexpr std::size_t kPageBytesMax = 1024 * 1024;

kj::Promise<Result<runtime::Partition::Inspection>> inspect_mailbox(Edge& edge, const EntityId& entity) {
  return edge.ask<runtime::Partition::Inspection>([&](auto answer) {
    caf::anon_send(edge.partition_of(entity), InspectEntity{entity, std::move(answer)});
  });
}

// As many as a list may have.
std::size_t count_that_fits(const std::vector<runtime::DeadLetterEntry>& entries) {
  std::size_t count = 0, bytes = 0;
  while (count < std::min(entries.size(), DeadLetterList::kMost)) {
    bytes += entries[count].bytes();
    if (count > 0 && bytes > DeadLetterList::kBytesMost) break;
    ++count;
  }
  return count;
}

template <class T>
kj::Promise<Result<T>> refuse(Error error) {
  return Result<T>(std::move(error));
}

}  // namespace

kj::Promise<Result<Page>> read_page(Edge& edge, const access::Rights& rights, std::string_view name, Offset from,
                                    std::uint32_t limit) {
  if (auto allowed = rights.check_read(name); !allowed) return refuse<Page>(allowed.error());
  const auto entity = runtime::check_entity(name, edge.catalogue);
  if (!entity) return refuse<Page>(entity.error());
  if (from == 0) return refuse<Page>({ErrorCode::MALFORMED, "offsets count from 1; this one is 0", 0});
  if (limit == 0 || limit > kPageEventsMax)
    return refuse<Page>({ErrorCode::LIMIT_EXCEEDED, "a page holds 1 to 1,000 events", 0});
  return inspect_mailbox(edge, *entity)
      .then([&edge, id = *entity, from, limit](auto seen) -> kj::Promise<Result<Page>> {
        if (!seen) return refuse<Page>(seen.error());
        const auto extent = seen->extent;
        if (from > extent.last + 1)
          return refuse<Page>(
              {ErrorCode::BEYOND_END, "the mailbox ends at " + std::to_string(extent.last), extent.last + 1});
        if (from == extent.last + 1) return Result<Page>(Page{{from, {}}, extent.last});
        if (from < extent.first)
          return refuse<Page>({ErrorCode::TRUNCATED,
                               "retention has kept nothing before " + std::to_string(extent.first), extent.first});
        return edge
            .ask<EventRun>([&](std::function<void(Result<EventRun>)> answer) {
              caf::anon_send(edge.partition_of(id), ReadPage{id, from, {limit, kPageBytesMax}, std::move(answer)});
            })
            .then([last = extent.last](Result<EventRun> run) {
              if (!run) return Result<Page>(run.error());
              const auto end = run->events.empty() ? last : std::max(last, run->last());
              return Result<Page>(Page{std::move(*run), end});
            });
      });
}

kj::Promise<Result<runtime::Extent>> extent_of(Edge& edge, std::string_view name) {
  const auto entity = runtime::check_entity(name, edge.catalogue);
  if (!entity) return refuse<runtime::Extent>(entity.error());
  return inspect_mailbox(edge, *entity).then([](const Result<runtime::Partition::Inspection>& seen) {
    return seen ? Result<runtime::Extent>(seen->extent) : Result<runtime::Extent>(seen.error());
  });
}

kj::Promise<Result<EntityInspection>> inspect_entity(Edge& edge, const access::Rights& rights, std::string_view name) {
  if (auto allowed = rights.check_operate(); !allowed) return refuse<EntityInspection>(allowed.error());
  const auto entity = runtime::check_entity(name, edge.catalogue);
  if (!entity) return refuse<EntityInspection>(entity.error());
  return inspect_mailbox(edge, *entity).then([&edge, id = *entity](auto seen) -> kj::Promise<Result<EntityInspection>> {
    if (!seen) return refuse<EntityInspection>(seen.error());
    EntityInspection inspection{seen->extent, 0, seen->dead_letters, {}, 0};
    // A hub without events has no state worth an activation.
    if (id.is_player() || seen->extent.last == 0) return Result<EntityInspection>(std::move(inspection));
    return edge
        .ask<InspectHub::Answer>([&](std::function<void(Result<InspectHub::Answer>)> answer) {
          caf::anon_send(edge.partition_of(id), InspectHub{id, std::move(answer)});
        })
        .then([inspection](Result<InspectHub::Answer> hub) mutable {
          if (!hub) return Result<EntityInspection>(hub.error());
          inspection.cursor = hub->cursor;
          inspection.state = std::move(hub->state);
          inspection.behaviour_version = hub->behaviour_version;
          return Result<EntityInspection>(std::move(inspection));
        });
  });
}

kj::Promise<Result<DeadLetterList>> list_dead_letters(Edge& edge, const access::Rights& rights, std::string_view name) {
  if (auto allowed = rights.check_operate(); !allowed) return refuse<DeadLetterList>(allowed.error());
  std::optional<EntityId> entity;
  if (!name.empty()) {
    auto checked = runtime::check_entity(name, edge.catalogue);
    if (!checked) return refuse<DeadLetterList>(checked.error());
    entity = std::move(*checked);
  }
  using Entries = std::vector<runtime::DeadLetterEntry>;
  kj::Vector<kj::Promise<Result<Entries>>> asked;
  const auto ask = [&](const caf::actor& partition) {
    asked.add(edge.ask<Entries>(
        [&](auto answer) {
          caf::anon_send(partition, ListDeadLetters{entity, DeadLetterList::kMost + 1, std::move(answer)});
        },
        entity ? edge.edge_limits.answer_within : edge.edge_limits.figures_within));
  };
  if (entity)
    ask(edge.partition_of(*entity));
  else
    for (const auto& partition : *edge.partitions) ask(partition);
  return kj::joinPromises(asked.releaseAsArray()).then([](kj::Array<Result<Entries>> answers) {
    DeadLetterList list;
    for (std::size_t i = 0; i < answers.size(); ++i)
      if (answers[i])
        std::ranges::move(*answers[i], std::back_inserter(list.entries));
      else
        list.absent.push_back(PartitionId{static_cast<std::uint16_t>(i)});
    if (list.absent.size() == answers.size()) return Result<DeadLetterList>(answers.front().error());
    const auto count = count_that_fits(list.entries);
    list.more = count < list.entries.size();
    list.entries.erase(list.entries.begin() + static_cast<std::ptrdiff_t>(count), list.entries.end());
    return Result<DeadLetterList>(std::move(list));
  });
}

kj::Promise<Result<Offset>> operate_on_dead_letter(Edge& edge, const access::Rights& rights, std::string_view name,
                                                   Offset offset, bool redrive) {
  if (auto allowed = rights.check_operate(); !allowed) return refuse<Offset>(allowed.error());
  const auto entity = runtime::check_entity(name, edge.catalogue);
  if (!entity) return refuse<Offset>(entity.error());
  return edge.ask<Offset>([&](std::function<void(Result<Offset>)> answer) {
    caf::anon_send(edge.partition_of(*entity), StartOperation{*entity, offset, redrive, std::move(answer)});
  });
}

}  // namespace carillon::actors
