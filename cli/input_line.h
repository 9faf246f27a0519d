// One line of `carillon publish` on stdin: {"entity": …, "type": …, "payload": {…}, "sequence": …, "traceparent": …}. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "messages/producer_id.h"
#include "messages/result.h"

namespace carillon::cli {

struct InputLine {
  std::string entity;
  std::string type;
  std::string payload = "{}";        // A JSON object, as it is sent.
  std::optional<Sequence> sequence;  // From 1.
  std::string traceparent;           // As it is sent; one that is none is ignored by the node.
};

// MALFORMED says what is wrong with the form; entity and type are judged by the node. `payload` may be left out, a member
// of another name is a mistake.
Result<InputLine> parse_input_line(std::string_view line);

}  // namespace carillon::cli
