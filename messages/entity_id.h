// Names an addressable durable actor: `kind/key`, as `player/ada` or `match/42`.
//
// Always valid: the kind is `[a-z][a-z0-9_-]{0,31}`, the key 1 to 256 bytes of UTF-8 without control characters (it may
// hold spaces and slashes).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "messages/result.h"
#include "messages/table_hash.h"

namespace carillon {

inline constexpr std::string_view kPlayerKind = "player";

// A fixed slice of the entity space, from 0 to the store's partition count - 1.
struct PartitionId {
  std::uint16_t value = 0;
  auto operator<=>(const PartitionId&) const = default;
};

class EntityId {
 public:
  static constexpr std::size_t kKindBytesMax = 32;
  static constexpr std::size_t kKeyBytesMax = 256;

  // MALFORMED when `text` is not `kind/key`.
  static Result<EntityId> parse(std::string_view text);
  static Result<EntityId> of(std::string_view kind, std::string_view key);
  // For text that was valid before, as what comes from our own disk.
  static EntityId trusted(std::string_view text);

  std::string_view kind() const { return std::string_view(text_).substr(0, kind_bytes_); }
  std::string_view key() const { return std::string_view(text_).substr(kind_bytes_ + 1u); }
  const std::string& text() const { return text_; }
  bool is_player() const { return kind() == kPlayerKind; }

  // xxHash64 of the text: which partition an entity lives in must never change, on any machine.
  std::uint64_t hash() const { return hash_; }
  PartitionId partition_of(std::uint16_t partitions) const { return {static_cast<std::uint16_t>(hash_ % partitions)}; }

  bool operator==(const EntityId& other) const { return hash_ == other.hash_ && text_ == other.text_; }
  auto operator<=>(const EntityId& other) const { return text_ <=> other.text_; }

 private:
  EntityId(std::string text, std::size_t kind_bytes);

  std::string text_;
  std::uint64_t hash_;
  std::uint8_t kind_bytes_;
};

}  // namespace carillon

template <>
struct std::hash<carillon::EntityId> {
  std::size_t operator()(const carillon::EntityId& id) const noexcept { return carillon::table_hash(id.text()); }
};
