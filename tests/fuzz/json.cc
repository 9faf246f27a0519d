// Payloads and every other JSON object that comes from outside: the quick judge and the parser agree, and what is read can
// be written and read again. A snapshot's parser takes what these take, and what it takes more of comes back as it was; any bytes do.
#include "runtime/json.h"

#include "tests/fuzz/target.h"

namespace carillon {

// As a state's text and key.
void keep(std::string_view bytes) {
  JsonWriter writer(160, JsonFor::kState);
  writer.begin_object().field(bytes, bytes).end_object();
  JsonDocument document;
  CHECK(document.parse(writer.text(), JsonFor::kState).ok());
  CHECK(document.root().member_name(0) == bytes && document.root().member(0).as_string() == bytes);
}

void fuzz(std::string_view input) {
  keep(input);
  const bool good = check_json_object(input).ok();
  JsonDocument document;
  CHECK(document.parse(input).ok() == good);
  JsonDocument of_state;
  const bool state_is_good = of_state.parse(input, JsonFor::kState).ok();
  CHECK(state_is_good || !good);
  if (state_is_good) {
    JsonWriter copy(160, JsonFor::kState);
    copy.value(of_state.root());
    CHECK(of_state.parse(copy.text(), JsonFor::kState).ok());
  }
  if (!good) return;
  JsonWriter writer;
  writer.value(document.root());
  JsonDocument again;
  CHECK(again.parse(writer.text()).ok());
}

}  // namespace carillon
