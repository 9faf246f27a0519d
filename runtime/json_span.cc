#include "runtime/json_span.h"

#include <algorithm>
#include <cstddef>

namespace carillon {
namespace {

// A place in JSON. What is not as it should be leads to the end of the text, never beyond it.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) { skip_space(); }

  bool at_end() const { return at_ >= text_.size(); }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    skip_space();
    return true;
  }
  // The value that begins here, whatever it is.
  std::string_view take_value() {
    const auto begin = at_;
    if (at_end()) return {};
    if (text_[at_] == '"')
      skip_string();
    else if (text_[at_] == '{' || text_[at_] == '[')
      skip_nested();
    else
      at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    const auto value = text_.substr(begin, at_ - begin);
    skip_space();
    return value;
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  void skip_string() {
    for (++at_; !at_end() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    at_ = std::min(at_ + 1, text_.size());
  }
  void skip_nested() {
    std::size_t depth = 0;
    while (!at_end()) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string_view> json_member(std::string_view object, std::string_view name) {
  Walk walk(object);
  if (!walk.take('{')) return std::nullopt;
  while (!walk.at_end()) {
    const auto quoted = walk.take_value();
    if (quoted.size() < 2 || quoted.find('\\') != std::string_view::npos || !walk.take(':')) return std::nullopt;
    const auto value = walk.take_value();
    if (quoted.substr(1, quoted.size() - 2) == name) return value;
    if (!walk.take(',')) return std::nullopt;
  }
  return std::nullopt;
}

std::vector<std::string_view> json_elements(std::string_view array) {
  std::vector<std::string_view> elements;
  Walk walk(array);
  if (!walk.take('[') || walk.take(']')) return elements;
  do elements.push_back(walk.take_value());
  while (walk.take(',') && !walk.at_end());
  return elements;
}

}  // namespace carillon
