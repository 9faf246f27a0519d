#include "runtime/mailbox.h"

#include <optional>
#include <vector>

#include "runtime/key.h"
#include "runtime/mailbox_record.h"

namespace carillon::runtime {

EventSlice EventSlice::from(Offset offset) const {
  CHECK(offset >= first && offset <= last());
  return {offset, events.subspan(offset - first), owner};
}

EventSlice slice_of(EventRun run) {
  struct Owned {
    EventRun run;
    std::vector<const Event*> events;
  };
  const auto owned = std::make_shared<Owned>();
  owned->run = std::move(run);
  owned->events.reserve(owned->run.events.size());
  for (const auto& event : owned->run.events) owned->events.push_back(&event);
  return {owned->run.first, owned->events, owned};
}

namespace {

Error without_offset(const EntityId& entity) {
  return {ErrorCode::UNAVAILABLE, "a mailbox record of " + entity.text() + " has no offset; run `carillon verify`"};
}

}  // namespace

Result<Offset> last_of_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity) {
  Result<Offset> last = Offset{0};
  const auto scanned = storage.scan_back(entity_key(partition, Tag::kMailbox, entity),
                                         entity_end(partition, Tag::kMailbox, entity), [&](auto key, auto value) {
                                           const auto parsed = parse_entity_key(key);
                                           const auto count = count_of_mailbox_record(value);
                                           if (!count) {
                                             last = count.error();
                                           } else if (!parsed || parsed->offset == 0) {
                                             last = without_offset(entity);
                                           } else {
                                             last = parsed->offset + *count - 1;
                                           }
                                           return false;
                                         });
  if (!scanned) return scanned.error();
  return last;
}

Result<Offset> first_of_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity) {
  Offset first = 0;
  const auto scanned = storage.scan(entity_key(partition, Tag::kMailbox, entity),
                                    entity_end(partition, Tag::kMailbox, entity), [&](auto key, auto) {
                                      if (const auto parsed = parse_entity_key(key)) first = parsed->offset;
                                      return false;
                                    });
  if (!scanned) return scanned.error();
  return first;
}

Result<Extent> extent_of_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity) {
  const auto last = last_of_mailbox(storage, partition, entity);
  if (!last) return last.error();
  const auto first = first_of_mailbox(storage, partition, entity);
  if (!first) return first.error();
  return Extent{*first == 0 ? *last + 1 : *first, *last};
}

Result<EventRun> read_mailbox(const Storage& storage, PartitionId partition, const EntityId& entity, Offset from,
                              PageLimits limits) {
  CHECK(from > 0);
  const auto begin = entity_key(partition, Tag::kMailbox, entity);
  const auto end = entity_end(partition, Tag::kMailbox, entity);

  // The record that holds `from` begins at it or before it; 0 if there is none.
  const auto find_start = [&]() -> Result<Offset> {
    Offset start = 0;
    auto scanned =
        storage.scan_back(begin, entity_key(partition, Tag::kMailbox, entity, from + 1), [&](auto key, auto) {
          if (const auto parsed = parse_entity_key(key)) start = parsed->offset;
          return false;
        });
    if (!scanned) return scanned.error();
    return start;
  };
  const auto found = find_start();
  if (!found) return found.error();
  const auto start = *found;

  EventRun run{from, {}};
  std::optional<Error> failed;
  std::size_t bytes = 0;
  bool begins_behind = false;
  const auto scanned =
      storage.scan(entity_key(partition, Tag::kMailbox, entity, start), end, [&](auto key, auto value) {
        const auto parsed = parse_entity_key(key);
        auto events = decode_mailbox_record(value);
        if (!parsed || parsed->offset == 0) {
          failed = without_offset(entity);
        } else if (!events) {
          failed = events.error();
        } else if (start == 0 && parsed->offset > from) {
          failed =
              Error{ErrorCode::TRUNCATED, "the offset is behind retention; continue at first_offset", parsed->offset};
        } else {
          const auto wanted = from + run.events.size();
          const auto stored_last = parsed->offset + events->size() - 1;
          if (run.events.empty() && stored_last < wanted) return true;  // The record ends before `from`.
          begins_behind = run.events.empty() && parsed->offset > wanted;
          if (parsed->offset > wanted || stored_last < wanted) {
            failed = Error{ErrorCode::UNAVAILABLE, "the mailbox of " + entity.text() + " has a hole at " +
                                                       std::to_string(wanted) + "; run `carillon verify`"};
            return false;
          }
          for (auto i = wanted - parsed->offset; i < events->size(); ++i) {
            auto& event = (*events)[i];
            bytes += event.payload.size() + event.type.size();
            run.events.push_back(std::move(event));
            if (run.events.size() >= limits.events_max || bytes >= limits.bytes_max) return false;
          }
          return true;
        }
        return false;
      });
  if (!scanned) return scanned.error();
  if (begins_behind) {  // A hole, unless retention has cut the mailbox in between.
    const auto again = find_start();
    if (again && *again != start) return read_mailbox(storage, partition, entity, from, limits);
  }
  if (failed) return *failed;
  return run;
}

}  // namespace carillon::runtime
