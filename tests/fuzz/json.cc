// Payloads and every other JSON object that comes from outside: the quick judge and the parser agree, and what is read can
// be written and read again.
#include "runtime/json.h"

#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  const bool good = check_json_object(input).ok();
  JsonDocument document;
  CHECK(document.parse(input).ok() == good);
  if (!good) return;
  JsonWriter writer;
  writer.value(document.root());
  JsonDocument again;
  CHECK(again.parse(writer.text()).ok());
}

}  // namespace carillon
