// A request's target, taken apart and decoded. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace carillon::actors {

struct HttpTarget {
  std::vector<std::string> path;
  std::map<std::string, std::string, std::less<>> query;

  // Nothing when it is no URL of the origin form (RFC 9112, section 3.2.1) that names anything.
  static std::optional<HttpTarget> parse(std::string_view text);

  // Empty when the parameter is not there.
  std::string_view parameter(std::string_view name) const;
  bool names_entity() const { return path.size() >= 3; }
  // The entity of /<what>/KIND/KEY; a key may hold slashes. Only with names_entity().
  std::string entity() const;
};

// The whole of `text` as a decimal number, nothing when it is none.
std::optional<std::uint64_t> whole_number(std::string_view text);

}  // namespace carillon::actors
