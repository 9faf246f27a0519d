#include "messages/entity_id.h"

#include <xxhash.h>

#include "messages/text.h"

namespace carillon {

EntityId::EntityId(std::string text, std::size_t kind_bytes)
    : text_(std::move(text)),
      hash_(XXH64(text_.data(), text_.size(), 0)),
      kind_bytes_(static_cast<std::uint8_t>(kind_bytes)) {}

Result<EntityId> EntityId::of(std::string_view kind, std::string_view key) {
  if (!is_name(kind, kKindBytesMax))
    return Error{ErrorCode::MALFORMED,
                 "an entity is KIND/KEY, the kind a lower-case letter and up to 31 more of a-z, 0-9, '_' and '-'"};
  if (!is_printable_utf8(key, kKeyBytesMax))
    return Error{ErrorCode::MALFORMED,
                 "an entity's key is 1 to 256 bytes of UTF-8 without control characters; this one is not"};
  std::string text;
  text.reserve(kind.size() + 1 + key.size());
  text.append(kind).append(1, '/').append(key);
  return EntityId(std::move(text), kind.size());
}

Result<EntityId> EntityId::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos)
    return Error{ErrorCode::MALFORMED, "an entity is KIND/KEY, as player/ada; there is no '/' in this one"};
  return of(text.substr(0, slash), text.substr(slash + 1));
}

EntityId EntityId::trusted(std::string_view text) {
  const auto slash = text.find('/');
  CHECK(slash != std::string_view::npos && slash <= kKindBytesMax);
  return EntityId(std::string(text), slash);
}

}  // namespace carillon
