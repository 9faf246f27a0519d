// What clients may ask about entities beside publishing and following: pages, inspections, dead letters. Each asks the
// actors and brings their answers together, unless whoever asks may not know (P9). Belongs to its gateway thread; shared by the native and the HTTP side.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "actors/edge.h"

namespace carillon::actors {

struct Page {
  EventRun run;
  Offset last = 0;  // The mailbox's last offset.
};
// `limit` from 1 to 1,000.
kj::Promise<Result<Page>> read_page(Edge& edge, const access::Rights& rights, std::string_view entity, Offset from,
                                    std::uint32_t limit);

// How far a mailbox reaches, for the node itself.
kj::Promise<Result<runtime::Extent>> extent_of(Edge& edge, std::string_view entity);

struct EntityInspection {
  runtime::Extent extent;
  Offset cursor = 0;
  std::uint64_t dead_letters = 0;
  std::string state;
  std::uint32_t behaviour_version = 0;
};
kj::Promise<Result<EntityInspection>> inspect_entity(Edge& edge, const access::Rights& rights, std::string_view entity);

struct DeadLetterList {
  // Of one letter that is longer, only it. A partition gives one more where there are more.
  static constexpr std::size_t kMost = 1'000, kBytesMost = runtime::Partition::kDeadLetterBytes;
  std::vector<runtime::DeadLetterEntry> entries;
  bool more = false;
  std::vector<PartitionId> absent;  // Do not answer, or cannot be read; the others have.
};
// Of the whole cluster when `entity` is empty. An error when nobody answers.
kj::Promise<Result<DeadLetterList>> list_dead_letters(Edge& edge, const access::Rights& rights,
                                                      std::string_view entity);

// Redrives or discards; the offset of the new event, or 0.
kj::Promise<Result<Offset>> operate_on_dead_letter(Edge& edge, const access::Rights& rights, std::string_view entity,
                                                   Offset offset, bool redrive);

}  // namespace carillon::actors
