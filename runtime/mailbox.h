// Reads an entity's mailbox from storage. Pure but for the reads; may be used from any thread.
#pragma once

#include <memory>
#include <span>

#include "messages/event.h"
#include "runtime/storage.h"

namespace carillon::runtime {

// Consecutive events of one mailbox, shared and immutable. Cheap to copy.
struct EventSlice {
  Offset first = 1;
  std::span<const Event* const> events;  // At least one; they and the list of them live as long as `owner`.
  std::shared_ptr<const void> owner;

  Offset last() const { return first + events.size() - 1; }
  // What of it lies at `offset` and after. `offset` within the slice.
  EventSlice from(Offset offset) const;
};

EventSlice slice_of(EventRun run);

// The offsets that a mailbox holds. Empty: `last` is 0 or `first` is `last + 1`.
struct Extent {
  Offset first = 1;
  Offset last = 0;

  std::uint64_t size() const { return last < first ? 0 : last - first + 1; }
};
Result<Extent> extent_of_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity);
// One of the two only, 0 when it is empty; one seek instead of two.
Result<Offset> first_of_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity);
Result<Offset> last_of_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity);

struct PageLimits {
  std::size_t events_max = 1'000;
  std::size_t bytes_max = 1024 * 1024;
};
// The events from `from` on, as many as a page may hold. Empty at the end. TRUNCATED when `from` is behind retention;
// UNAVAILABLE when what is stored is damaged or has a hole.
Result<EventRun> read_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity, Offset from,
                              PageLimits limits);

}  // namespace carillon::runtime
