// What a client says over a WebSocket, and the body of POST /events. A payload of an accepted event is passed on as it was sent.
#include "actors/client_message.h"

#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  (void)actors::parse_client_message(input);
  const auto batch = actors::parse_publish_batch(input);
  if (!batch) return;
  for (const auto& event : batch->events)
    if (check_json_object(event.payload).ok()) CHECK(input.find(event.payload) != std::string_view::npos);
}

}  // namespace carillon
