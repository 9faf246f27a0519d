// How a token's claims name entities and producers: a name itself (`player/ana`), or with `*` at the end everything that begins
// so (`arena/*`, `*`). `{sub}` stands for the token's subject (`player/{sub}`).
//
// Pure. A subject that holds a `*` is no wildcard: what is one is settled before the subject is put in.
#pragma once

#include <string>
#include <string_view>

#include "messages/result.h"

namespace carillon::access {

class Pattern {
 public:
  static constexpr std::size_t kBytesMax = 512;

  // MALFORMED when it is empty, longer than kBytesMax, no printable UTF-8, or has a `*` elsewhere than at its end.
  static Result<Pattern> parse(std::string_view text, std::string_view subject);
  // `name` and nothing else, whatever it holds.
  static Pattern exactly(std::string name) { return Pattern(std::move(name), false); }
  static Pattern beginning_with(std::string name) { return Pattern(std::move(name), true); }

  bool matches(std::string_view name) const { return is_prefix_ ? name.starts_with(text_) : name == text_; }

 private:
  Pattern(std::string text, bool is_prefix) : text_(std::move(text)), is_prefix_(is_prefix) {}

  std::string text_;
  bool is_prefix_;
};

}  // namespace carillon::access
