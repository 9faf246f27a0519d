#include "access/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace carillon::access {
namespace {

constexpr std::array<unsigned char, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kNetworkBytes = 8;  // Of IPv6.

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

IpAddress IpAddress::mapped(const unsigned char* v4) {
  Bytes bytes;
  std::copy_n(v4, 4, std::copy(kMapped.begin(), kMapped.end(), bytes.begin()));
  return IpAddress(bytes);
}

std::optional<IpAddress> IpAddress::of(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return mapped(reinterpret_cast<const unsigned char*>(&v4.sin_addr));
  }
  if (address.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  Bytes bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return IpAddress(bytes);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  Bytes bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) return mapped(bytes.data());
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return IpAddress(bytes);
  return std::nullopt;
}

bool IpAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin()); }

std::string IpAddress::counted_as() const {
  return {reinterpret_cast<const char*>(bytes_.data()), is_v4() ? bytes_.size() : kNetworkBytes};
}

Result<IpRanges> IpRanges::parse(std::string_view text) {
  IpRanges ranges;
  while (!trimmed(text).empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto item = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const auto slash = std::min(item.find('/'), item.size());
    const auto network = IpAddress::parse(item.substr(0, slash));
    const unsigned longest = network && network->is_v4() ? 32 : 128;
    unsigned bits = longest;
    if (slash < item.size()) {
      const auto* const end = item.data() + item.size();
      const auto read = std::from_chars(item.data() + slash + 1, end, bits);
      if (read.ec != std::errc() || read.ptr != end) bits = longest + 1;
    }
    if (!network || bits > longest)
      return Error{ErrorCode::MALFORMED,
                   "'" + std::string(item) + "' is neither an address nor a network like 10.0.0.0/8 or 2001:db8::/32"};
    ranges.ranges_.push_back({*network, bits + 128 - longest});
  }
  return ranges;
}

bool IpRanges::contain(const IpAddress& address) const {
  return std::ranges::any_of(ranges_, [&](const Range& range) {
    const auto& a = address.bytes();
    const auto& b = range.network.bytes();
    const auto whole = range.bits / 8, rest = range.bits % 8;
    if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
  });
}

}  // namespace carillon::access
