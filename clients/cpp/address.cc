#include "clients/cpp/address.h"

#include <algorithm>
#include <charconv>

namespace carillon::client {

Result<Address> Address::parse(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return Error{ErrorCode::MALFORMED, "'" + std::string(text) + "' is not HOST:PORT: " + what};
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("there is no colon");

  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return wrong("an IPv6 address is written in brackets, as [::1]:7411");
  if (host.empty()) return wrong("the host is missing");
  for (const char c : host)
    if (c <= ' ' || c == 0x7f || c == '[' || c == ']') return wrong("the host has a character that none has");

  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (code != std::errc() || end != digits.data() + digits.size() || port == 0)
    return wrong("the port is a number from 1 to 65535");
  return Address{std::string(host), port};
}

std::string Address::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Addresses> Addresses::parse(std::string_view text) {
  std::vector<Address> all;
  for (std::size_t from = 0; from <= text.size();) {
    const auto comma = std::min(text.find(',', from), text.size());
    auto address = Address::parse(text.substr(from, comma - from));
    if (!address.ok()) return address.error();
    all.push_back(std::move(*address));
    from = comma + 1;
  }
  return Addresses(std::move(all));
}

std::string Addresses::text() const {
  std::string text;
  for (const Address& address : all_) text += (text.empty() ? "" : ",") + address.text();
  return text;
}

Addresses Addresses::beginning_with(std::size_t place) const {
  auto turned = all_;
  std::ranges::rotate(turned, turned.begin() + static_cast<std::ptrdiff_t>(place % turned.size()));
  return Addresses(std::move(turned));
}

}  // namespace carillon::client
