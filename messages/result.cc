#include "messages/result.h"

#include <array>

namespace carillon {

std::string_view name_of(ErrorCode code) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "malformed", "unknown_kind", "unknown_type", "payload_too_large", "overloaded", "unavailable",
      "truncated", "beyond_end",   "not_found",    "limit_exceeded",    "forbidden",  "unauthenticated"};
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index] : "unknown_error";
}

std::string to_string(const Error& error) { return std::string(name_of(error.code)) + ": " + error.message; }

void fail_check(const char* condition, const char* file, int line) {
  throw BrokenInvariant(std::string(file) + ":" + std::to_string(line) + ": broken invariant: " + condition);
}

}  // namespace carillon
