#include "actors/http_positions.h"

#include "actors/answer_json.h"
#include "actors/positions.h"

namespace carillon::actors {

kj::Promise<void> send_positions(HttpCall& call) {
  return positions_of(call.edge, call.rights, call.target.entity()).then([&call](const Result<Positions>& positions) {
    if (!positions) return call.refuse(positions.error());
    JsonWriter json;
    json.begin_object();
    write_positions(json, call.target.entity(), *positions);
    return call.send_json(json.end_object().take());
  });
}

kj::Promise<void> store_position(HttpCall& call) {
  const auto device = call.target.parameter("device");
  const auto offset = whole_number(call.target.parameter("offset"));
  if (!offset) return call.refuse({ErrorCode::MALFORMED, "name the device and the offset: ?device=D&offset=N", 0});
  return acknowledge(call.edge, call.rights, call.target.entity(), device, *offset)
      .then([&call](const Result<Offset>& holds) {
        if (!holds) return call.refuse(holds.error());
        JsonWriter json;
        json.begin_object();
        write_position(json, call.target.entity(), call.target.parameter("device"), *holds);
        return call.send_json(json.end_object().take());
      });
}

}  // namespace carillon::actors
