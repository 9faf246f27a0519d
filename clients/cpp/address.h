// Where a node listens: HOST:PORT, as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "messages/result.h"

namespace carillon::client {

struct Address {
  std::string host;
  std::uint16_t port = 0;

  // MALFORMED says which part is wrong. The host is a name, an IPv4 address, or an IPv6 address in brackets: [::1]:7411.
  static Result<Address> parse(std::string_view text);
  // What parse() reads.
  std::string text() const;

  bool operator==(const Address&) const = default;
};

}  // namespace carillon::client
