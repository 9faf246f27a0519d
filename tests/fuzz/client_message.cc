// Messages of WebSocket clients, and batches of POST /events. A payload that is passed on letter by letter is JSON by itself.
#include "actors/client_message.h"

#include "runtime/json.h"
#include "runtime/json_span.h"
#include "tests/fuzz/target.h"

namespace carillon {
namespace {

void check(const actors::PublishBatch& batch) {
  for (const auto& event : batch.events) {
    CHECK(event.sequence <= kJsonIntegerMax);
    if (event.payload.starts_with('{')) CHECK(check_json_object(event.payload).ok());
  }
}

}  // namespace

void fuzz(std::string_view input) {
  // These must bear anything, though only what was parsed is given to them.
  (void)json_member(input, "a");
  (void)json_elements(input);
  if (const auto message = actors::parse_client_message(input))
    if (const auto* publish = std::get_if<actors::PublishMessage>(&*message)) check(publish->batch);
  if (const auto batch = actors::parse_publish_batch(input)) check(*batch);
}

}  // namespace carillon
