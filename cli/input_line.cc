#include "cli/input_line.h"

#include "runtime/json.h"

namespace carillon::cli {
namespace {

Error malformed(std::string message) { return {ErrorCode::MALFORMED, std::move(message)}; }

}  // namespace

Result<InputLine> parse_input_line(std::string_view text) {
  JsonDocument document;
  if (auto parsed = document.parse(text); !parsed) return parsed.error();
  const JsonValue root = document.root();
  InputLine line;
  for (std::size_t i = 0; i < root.size(); ++i) {
    const std::string_view name = root.member_name(i);
    const JsonValue value = root.member(i);
    if (name == "entity" || name == "type") {
      const auto string = value.as_string();
      if (!string || string->empty()) return malformed("\"" + std::string(name) + "\" is a string that is not empty");
      (name == "entity" ? line.entity : line.type) = *string;
    } else if (name == "payload") {
      if (!value.is_object()) return malformed("\"payload\" is a JSON object");
      line.payload = JsonWriter().value(value).take();
    } else if (name == "sequence") {
      line.sequence = value.as_uint64();
      if (!line.sequence || *line.sequence == 0) return malformed("\"sequence\" is a whole number from 1");
    } else if (name == "traceparent") {
      line.traceparent = value.as_string().value_or("");  // One that is none is ignored.
    } else {
      return malformed("\"" + std::string(name) + "\" is none of entity, type, payload, sequence, traceparent");
    }
  }
  if (line.entity.empty()) return malformed("there is no \"entity\" (KIND/KEY)");
  if (line.type.empty()) return malformed("there is no \"type\"");
  return line;
}

}  // namespace carillon::cli
