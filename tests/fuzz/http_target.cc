// URLs of HTTP requests. An entity that is found in one is either refused or a proper name.
#include "actors/http_target.h"

#include "messages/entity_id.h"
#include "messages/text.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  const auto target = actors::HttpTarget::parse(input);
  if (!target) return;
  CHECK(!target->path.empty());
  (void)actors::whole_number(target->parameter("from"));
  if (!target->names_entity()) return;
  const auto entity = EntityId::parse(target->entity());
  if (entity) CHECK(is_printable_utf8(entity->text(), 32 + 1 + 256));
}

}  // namespace carillon
