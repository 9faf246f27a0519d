// Judges text that comes from outside.
#pragma once

#include <cstddef>
#include <string_view>

namespace carillon {

// Valid UTF-8 (RFC 3629: no surrogates, no overlong forms) of 1 to `bytes_max` bytes, without control characters
// (U+0000 to U+001F, U+007F to U+009F).
bool is_printable_utf8(std::string_view text, std::size_t bytes_max);

// `[a-z][a-z0-9_-]*` of 1 to `bytes_max` bytes.
bool is_name(std::string_view text, std::size_t bytes_max);

}  // namespace carillon
