// Where a connection comes from, and ranges of such addresses as operators write them.
//
// Pure. An IPv4 address is kept as IPv6 maps it (RFC 4291, section 2.5.5.2), so that it is one address however it was
// accepted.
#pragma once

#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace carillon::access {

class IpAddress {
 public:
  using Bytes = std::array<unsigned char, 16>;

  // Nothing when it is of another family.
  static std::optional<IpAddress> of(const sockaddr_storage& address);
  static std::optional<IpAddress> parse(std::string_view text);

  const Bytes& bytes() const { return bytes_; }
  bool is_v4() const;
  // As whom it is counted: an IPv4 address as itself, one of IPv6 as its /64, which is what one customer has at least.
  std::string counted_as() const;

 private:
  explicit IpAddress(const Bytes& bytes) : bytes_(bytes) {}
  static IpAddress mapped(const unsigned char* v4);

  Bytes bytes_;
};

class IpRanges {
 public:
  // `127.0.0.0/8, ::1`: addresses, and networks with the length of their prefix; empty: none. MALFORMED.
  static Result<IpRanges> parse(std::string_view text);

  bool contain(const IpAddress& address) const;

 private:
  struct Range {
    IpAddress network;
    unsigned bits;  // Of the prefix, counted in the mapped form.
  };
  std::vector<Range> ranges_;
};

}  // namespace carillon::access
