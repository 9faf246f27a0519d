// What a client publishes: entity, type, payload and producer, each of any bytes. What is accepted has the form that is
// promised to hubs and followers.
#include <fuzzer/FuzzedDataProvider.h>

#include "examples/arena/arena.h"
#include "messages/text.h"
#include "runtime/admission.h"
#include "runtime/json.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  static const Catalogue catalogue = [] {
    Catalogue installed;
    CHECK(installed.add(arena::match_behaviour()).ok());
    return installed;
  }();
  FuzzedDataProvider data(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  const auto name = data.ConsumeRandomLengthString(300);
  const auto entity = data.ConsumeRandomLengthString(300);
  const auto type = data.ConsumeRandomLengthString(100);
  const auto sequence = data.ConsumeIntegral<Sequence>();
  const auto payload = data.ConsumeRemainingBytesAsString();
  const auto producer = ProducerId::client(name);
  if (!producer) return;
  CHECK(is_printable_utf8(name, 256));
  const runtime::Limits limits;
  const auto item = runtime::check_publication({entity, type, payload, sequence}, *producer, 0, catalogue, limits);
  if (!item) return;
  CHECK(EntityId::parse(entity)->text() == entity);
  CHECK(is_name(type, kTypeBytesMax) && check_json_object(payload).ok());
  CHECK(sequence > 0 && payload.size() <= limits.payload_bytes_max);
}

}  // namespace carillon
