// The keys of the store (DESIGN section 6): big-endian, so that scans follow order.
//
//     <partition + 1 : 2> <tag : 1> <entity> 00 <offset : 8>      mailbox records, dead letters
//     <partition + 1 : 2> <tag : 1> <entity> 00                   snapshots, cursors, unfinished markers
//     <partition + 1 : 2> r <due : 8> <hub> 00 <sequence : 8>      reminders, with the hub that has set them
//     <partition + 1 : 2> w <producer> 00                         windows
//     <partition + 1 : 2> j <batch number : 8>                    windows moved by recent batches
//     <partition + 1 : 2> p <batch number : 8>                    witnesses of recent batches
//     <partition + 1 : 2> l <index : 8>                           replication: entries of the log
//     <partition + 1 : 2> e <epoch : 8>                           replication: where an epoch begins in the log
//     <partition + 1 : 2> a                                       replication: what is applied, and where the log begins
//     00 00 <name>                                                what belongs to the store as a whole
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "messages/entity_id.h"
#include "messages/event.h"
#include "messages/producer_id.h"

namespace carillon::runtime {

enum class Tag : char {
  kApplied = 'a',
  kCursor = 'c',
  kDeadLetter = 'd',
  kEpoch = 'e',
  kMovedWindows = 'j',
  kLog = 'l',
  kMailbox = 'm',
  kProgress = 'p',
  kReminder = 'r',
  kSnapshot = 's',
  kUnfinished = 'u',
  kWindow = 'w',
};

// A key on the stack; keys are made for every event.
class Key {
 public:
  operator std::string_view() const { return {bytes_.data(), size_}; }  // Valid as long as the key.
  std::string text() const { return std::string(std::string_view(*this)); }

  Key& add(std::string_view bytes);
  Key& add_big_endian(std::uint64_t value);
  Key& add_byte(char byte);

 private:
  std::array<char, 320> bytes_;
  std::size_t size_ = 0;
};

// Everything of a partition lies between its prefix and that of the next partition; likewise for a tag.
Key partition_prefix(PartitionId partition);
Key tag_prefix(PartitionId partition, Tag tag);
Key tag_end(PartitionId partition, Tag tag);
Key entity_key(PartitionId partition, Tag tag, const EntityId& entity);
Key entity_key(PartitionId partition, Tag tag, const EntityId& entity, Offset offset);
Key entity_end(PartitionId partition, Tag tag, const EntityId& entity);
Key window_key(PartitionId partition, const ProducerId& producer);
Key reminder_key(PartitionId partition, UnixMs due, const EntityId& hub, Sequence sequence);  // `due` is not negative.
Key reminders_from(PartitionId partition, UnixMs due);  // Where those begin that are due then or later. Likewise.
Key batch_key(PartitionId partition, Tag tag, std::uint64_t batch);
Key store_key(std::string_view name);

// What a key with an entity in it is about.
struct EntityKey {
  EntityId entity;
  Offset offset = 0;  // 0 when the key has none.
};
// Takes an entity's key apart; a failure when `key` is not of that form.
Result<EntityKey> parse_entity_key(std::string_view key);
// When the reminder with this key is due; nothing when it is no such key.
std::optional<UnixMs> due_of(std::string_view reminder_key);
// The number at the end of a batch key.
std::uint64_t batch_of(std::string_view batch_key);

}  // namespace carillon::runtime
