#include "cli/pretty_json.h"

#include "runtime/json.h"

namespace carillon::cli {
namespace {

constexpr std::size_t kShortBytes = 90;

void lay_out(JsonValue value, std::size_t indent, std::string& text) {
  std::string compact = JsonWriter().value(value).take();
  const bool is_container = value.is_object() || value.is_array();
  if (!is_container || value.size() == 0 || indent + compact.size() <= kShortBytes) {
    text += compact;
    return;
  }
  text += value.is_object() ? "{\n" : "[\n";
  for (std::size_t i = 0; i < value.size(); ++i) {
    text.append(indent + 2, ' ');
    if (value.is_object()) text += JsonWriter().value(value.member_name(i)).take() + ": ";
    lay_out(value.is_object() ? value.member(i) : value.element(i), indent + 2, text);
    text += i + 1 < value.size() ? ",\n" : "\n";
  }
  text.append(indent, ' ').append(value.is_object() ? "}" : "]");
}

}  // namespace

std::string pretty_json(std::string_view json, std::size_t indent) {
  std::string text(indent, ' ');
  JsonDocument document;
  if (document.parse(json))
    lay_out(document.root(), indent, text);
  else
    text += json;
  return text;
}

}  // namespace carillon::cli
