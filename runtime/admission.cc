#include "runtime/admission.h"

#include "messages/text.h"
#include "runtime/json.h"

namespace carillon::runtime {

Result<EntityId> check_entity(std::string_view text, const Catalogue& catalogue) {
  auto entity = EntityId::parse(text);
  if (!entity) return entity;
  if (entity->is_player() || catalogue.find(entity->kind()) != nullptr) return entity;
  std::string kinds(kPlayerKind);
  for (const auto& kind : catalogue.kinds()) kinds.append(", ").append(kind);
  return Error{ErrorCode::UNKNOWN_KIND,
               "no behaviour is installed for kind " + std::string(entity->kind()) + "; this node knows " + kinds, 0};
}

Result<PublishItem> check_publication(const PublicationView& publication, const ProducerId& producer,
                                      std::uint32_t index, const Catalogue& catalogue, const Limits& limits) {
  auto entity = check_entity(publication.entity, catalogue);
  if (!entity) return entity.error();
  if (publication.sequence == 0 || publication.sequence > kJsonIntegerMax)
    return Error{ErrorCode::MALFORMED, "a sequence is a whole number from 1 to 2^53 - 1", 0};
  if (!is_name(publication.type, kTypeBytesMax))
    return Error{ErrorCode::MALFORMED, "a type is a lower-case letter and up to 63 more of a-z, 0-9, '_' and '-'", 0};
  if (!entity->is_player()) {
    const auto* behaviour = catalogue.find(entity->kind());
    if (!behaviour->handles(publication.type))
      return Error{ErrorCode::UNKNOWN_TYPE,
                   "kind " + behaviour->kind() + " handles no events of type " + std::string(publication.type), 0};
    if (!catalogue.takes_from(behaviour->kind(), producer))
      return Error{ErrorCode::FORBIDDEN, "nobody but the nodes themselves publishes to kind " + behaviour->kind(), 0};
  }
  if (publication.payload.size() > limits.payload_bytes_max)
    return Error{ErrorCode::PAYLOAD_TOO_LARGE,
                 "the payload has " + std::to_string(publication.payload.size()) + " bytes, at most " +
                     std::to_string(limits.payload_bytes_max) + " are allowed",
                 0};
  if (auto json = check_json_object(publication.payload, kPayloadDepthMax); !json) return json.error();
  return PublishItem{index, std::move(*entity),
                     Event{.type = std::string(publication.type),
                           .payload = std::string(publication.payload),
                           .producer = producer,
                           .sequence = publication.sequence,
                           .traceparent = publication.traceparent}};
}

}  // namespace carillon::runtime
