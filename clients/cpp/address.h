// Where a node listens: HOST:PORT, as people write it; several with commas in between.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

// One or more nodes of one cluster, in the order in which a client tries them.
class Addresses {
 public:
  Addresses(Address only) : all_{std::move(only)} {}  // NOLINT: one address is a list of one.
  explicit Addresses(std::vector<Address> all) : all_(std::move(all)) { CHECK(!all_.empty()); }

  // MALFORMED says which part is wrong.
  static Result<Addresses> parse(std::string_view text);
  // What parse() reads.
  std::string text() const;

  const std::vector<Address>& all() const { return all_; }
  // The same ones, beginning with another: so clients spread over the nodes.
  Addresses beginning_with(std::size_t place) const;

 private:
  std::vector<Address> all_;
};

}  // namespace carillon::client
