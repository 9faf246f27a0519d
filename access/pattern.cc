#include "access/pattern.h"

#include "messages/text.h"

namespace carillon::access {
namespace {

constexpr std::string_view kSubject = "{sub}";

}  // namespace

Result<Pattern> Pattern::parse(std::string_view text, std::string_view subject) {
  const auto malformed = [](const char* what) { return Error{ErrorCode::MALFORMED, what, 0}; };
  if (!is_printable_utf8(text, kBytesMax))
    return malformed("a pattern is 1 to 512 bytes of UTF-8 without control characters");
  const bool is_prefix = text.ends_with('*');
  if (is_prefix) text.remove_suffix(1);
  if (text.find('*') != std::string_view::npos) return malformed("a pattern has a * at its end only");
  std::string name;
  for (auto at = text.find(kSubject); at != std::string_view::npos; at = text.find(kSubject)) {
    name.append(text.substr(0, at)).append(subject);
    text.remove_prefix(at + kSubject.size());
    if (name.size() > kBytesMax) return malformed("a pattern with its subject is longer than 512 bytes");
  }
  return Pattern(name.append(text), is_prefix);
}

}  // namespace carillon::access
