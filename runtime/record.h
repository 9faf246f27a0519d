// Encodes and decodes the values of the store (record.capnp) but for mailbox records. Pure. Decoding what is damaged is a failure, never a crash.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "messages/entity_id.h"
#include "messages/event.h"
#include "runtime/window.h"

namespace carillon::runtime {

struct StoredWindow {
  Window window;
  UnixMs moved_at_ms = 0;
};
std::string_view encode(const StoredWindow& window);  // Valid until the next call from this thread.
Result<StoredWindow> decode_window(std::string_view bytes);

struct MovedWindow {
  std::string_view producer;  // As stored.
  const Window* window = nullptr;
  UnixMs moved_at_ms = 0;
};
std::string_view encode(std::span<const MovedWindow> windows);  // Valid until the next call from this thread.
Result<std::vector<std::pair<ProducerId, StoredWindow>>> decode_moved_windows(std::string_view bytes);

struct EmissionCounter {
  PartitionId partition;
  Sequence sequence = 0;
};

struct Snapshot {
  Offset offset = 0;
  std::uint32_t behaviour_version = 0;
  std::string state;  // JSON.
  std::vector<EmissionCounter> emissions;
};
std::string encode(const Snapshot& snapshot);
Result<Snapshot> decode_snapshot(std::string_view bytes);

std::string encode_cursor(Offset offset);
Result<Offset> decode_cursor(std::string_view bytes);

struct DeadLetter {
  std::string reason;
  std::uint32_t attempts = 0;
  bool settled = false;          // An operator has redriven or discarded it.
  std::optional<Event> event{};  // When it stands no longer in the mailbox.
};
std::string encode(const DeadLetter& letter);
Result<DeadLetter> decode_dead_letter(std::string_view bytes);

struct Reminder {
  EntityId entity;
  Event event;
};
std::string encode(const Reminder& reminder);
Result<Reminder> decode_reminder(std::string_view bytes);

struct StoreFormat {
  std::uint32_t version = 0;
  std::uint16_t partitions = 0;
  std::string store_id;
};
std::string encode(const StoreFormat& format);
Result<StoreFormat> decode_store_format(std::string_view bytes);

}  // namespace carillon::runtime
