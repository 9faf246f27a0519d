#include "actors/host_port.h"

#include <charconv>
#include <cstdint>

namespace carillon::actors {

Result<void> check_host_port(std::string_view option, const std::string& address) {
  const auto colon = address.rfind(':');
  const auto wrong = [&](const char* what) {
    return Error{ErrorCode::MALFORMED, std::string(option) + " takes HOST:PORT, and '" + address + "' " + what, 0};
  };
  if (colon == std::string::npos || address.ends_with(']')) return wrong("has no port");
  if (colon == 0) return wrong("has no host");
  std::uint16_t port = 0;
  const auto* const end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return wrong("has a port that is not a number from 0 to 65535");
  return {};
}

}  // namespace carillon::actors
