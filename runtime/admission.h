// Judges the form of what clients publish and ask before it reaches a partition. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/behaviour.h"
#include "runtime/limits.h"
#include "runtime/partition.h"

namespace carillon::runtime {

struct PublicationView {
  std::string_view entity, type, payload;
  Sequence sequence = 0;
  std::optional<TraceParent> traceparent = {};
};

// The item to hand to the entity's partition. MALFORMED, UNKNOWN_KIND, UNKNOWN_TYPE, FORBIDDEN or PAYLOAD_TOO_LARGE.
Result<PublishItem> check_publication(const PublicationView& publication, const ProducerId& producer,
                                      std::uint32_t index, const Catalogue& catalogue, const Limits& limits);

// MALFORMED or UNKNOWN_KIND when nothing can be asked of such an entity.
Result<EntityId> check_entity(std::string_view text, const Catalogue& catalogue);

}  // namespace carillon::runtime
