#include "runtime/key.h"

#include <cstring>

namespace carillon::runtime {

Key& Key::add(std::string_view bytes) {
  CHECK(size_ + bytes.size() <= bytes_.size());
  std::memcpy(bytes_.data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return *this;
}

Key& Key::add_byte(char byte) { return add({&byte, 1}); }

Key& Key::add_big_endian(std::uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  return add({bytes, sizeof bytes});
}

Key partition_prefix(PartitionId partition) {
  const unsigned number = partition.value + 1u;
  Key key;
  key.add_byte(static_cast<char>(number >> 8)).add_byte(static_cast<char>(number));
  return key;
}

Key tag_prefix(PartitionId partition, Tag tag) { return partition_prefix(partition).add_byte(static_cast<char>(tag)); }

Key tag_end(PartitionId partition, Tag tag) { return partition_prefix(partition).add_byte(static_cast<char>(tag) + 1); }

Key entity_key(PartitionId partition, Tag tag, const EntityId& entity) {
  return tag_prefix(partition, tag).add(entity.text()).add_byte('\0');
}

Key entity_key(PartitionId partition, Tag tag, const EntityId& entity, Offset offset) {
  return entity_key(partition, tag, entity).add_big_endian(offset);
}

Key entity_end(PartitionId partition, Tag tag, const EntityId& entity) {
  return tag_prefix(partition, tag).add(entity.text()).add_byte('\x01');
}

Key window_key(PartitionId partition, const ProducerId& producer) {
  return tag_prefix(partition, Tag::kWindow).add(producer.stored()).add_byte('\0');
}

Key reminders_from(PartitionId partition, UnixMs due) {
  return tag_prefix(partition, Tag::kReminder).add_big_endian(static_cast<std::uint64_t>(due));
}

Key reminder_key(PartitionId partition, UnixMs due, const EntityId& hub, Sequence sequence) {
  return tag_prefix(partition, Tag::kReminder)
      .add_big_endian(static_cast<std::uint64_t>(due))
      .add(hub.text())
      .add_byte('\0')
      .add_big_endian(sequence);
}

Key batch_key(PartitionId partition, Tag tag, std::uint64_t batch) {
  return tag_prefix(partition, tag).add_big_endian(batch);
}

Key store_key(std::string_view name) { return Key().add_byte('\0').add_byte('\0').add(name); }

namespace {

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

Result<EntityKey> parse_entity_key(std::string_view key) {
  constexpr std::size_t kPrefixBytes = 3;
  const auto end = key.find('\0', kPrefixBytes);
  const bool has_offset = end != std::string_view::npos && key.size() == end + 1 + 8;
  if (end == std::string_view::npos || (key.size() != end + 1 && !has_offset))
    return Error{ErrorCode::UNAVAILABLE, "a key of the store has no entity in it"};
  auto entity = EntityId::parse(key.substr(kPrefixBytes, end - kPrefixBytes));
  if (!entity) return Error{ErrorCode::UNAVAILABLE, "a key of the store names no valid entity"};
  return EntityKey{std::move(*entity), has_offset ? big_endian(key.substr(end + 1)) : 0};
}

std::optional<UnixMs> due_of(std::string_view reminder_key) {
  constexpr std::size_t kPrefixBytes = 3, kDueBytes = 8, kSequenceBytes = 8;
  if (reminder_key.size() <= kPrefixBytes + kDueBytes + kSequenceBytes) return std::nullopt;
  return static_cast<UnixMs>(big_endian(reminder_key.substr(kPrefixBytes, kDueBytes)));
}

std::uint64_t batch_of(std::string_view batch_key) {
  return batch_key.size() < 8 ? 0 : big_endian(batch_key.substr(batch_key.size() - 8));
}

}  // namespace carillon::runtime
