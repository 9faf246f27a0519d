#include "actors/origin.h"

#include <algorithm>

namespace carillon::actors {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

bool is_port(std::string_view text) {
  constexpr std::size_t kDigitsMax = 5;
  return !text.empty() && text.size() <= kDigitsMax && std::ranges::all_of(text, is_digit);
}

// HOST or HOST:PORT; an IPv6 address is in brackets.
struct Authority {
  std::string_view host, port;  // The port is empty when it is not said.
};

bool is_host(std::string_view text) {
  if (text.starts_with('['))
    return text.ends_with(']') && std::ranges::all_of(text.substr(1, text.size() - 2), [](char c) {
             return is_digit(c) || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
           });
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_digit(c) || is_letter(c) || c == '-' || c == '.' || c == '_';
  });
}

Result<Authority> parse_authority(std::string_view text) {
  Authority authority{text, {}};
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
    authority = {text.substr(0, colon), text.substr(colon + 1)};
    if (!is_port(authority.port)) return Error{ErrorCode::MALFORMED, "a port is a number", 0};
  }
  if (!is_host(authority.host)) return Error{ErrorCode::MALFORMED, "there is no such host name", 0};
  return authority;
}

std::string_view port_of(std::string_view scheme) {
  if (scheme == "http") return "80";
  if (scheme == "https") return "443";
  return {};
}

bool is_loopback_name(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost") || host == "[::1]") return true;
  return host.starts_with("127.") && std::ranges::all_of(host, [](char c) { return is_digit(c) || c == '.'; });
}

// A proxy in front of the node may pass on by which name it was asked: that of an allowed page.
bool is_name_of_allowed(const OriginRules& rules, std::string_view host) {
  return std::ranges::any_of(rules.allowed, [&](std::string_view origin) {
    const auto authority = parse_authority(origin.substr(origin.find("://") + 3));
    return authority && authority->host == host;
  });
}

Error forbidden(std::string message) { return {ErrorCode::FORBIDDEN, std::move(message), 0}; }

}  // namespace

Result<std::string> parse_origin(std::string_view text) {
  const auto lower = in_lower_case(text);
  const std::string_view all = lower;
  const auto wrong = [&] {
    return Error{ErrorCode::MALFORMED,
                 "an origin is SCHEME://HOST or SCHEME://HOST:PORT, as https://play.example.com; this is '" +
                     std::string(text) + "'",
                 0};
  };
  const auto mark = all.find("://");
  if (mark == std::string_view::npos || mark == 0) return wrong();
  const auto scheme = all.substr(0, mark);
  if (!is_letter(scheme[0]) || !std::ranges::all_of(scheme, [](char c) {
        return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
      }))
    return wrong();
  const auto authority = parse_authority(all.substr(mark + 3));
  if (!authority) return wrong();
  std::string origin(scheme);
  origin.append("://").append(authority->host);
  if (!authority->port.empty() && authority->port != port_of(scheme)) origin.append(":").append(authority->port);
  return origin;
}

Result<Visitor> judge_visitor(const OriginRules& rules, std::string_view origin, std::string_view host) {
  const auto lower_host = in_lower_case(host);
  const auto own = parse_authority(lower_host);
  if (rules.on_loopback && !host.empty() &&
      (!own || !(is_loopback_name(own->host) || is_name_of_allowed(rules, own->host))))
    return forbidden(
        "this node listens on loopback, so it is called localhost, 127.0.0.1, [::1] or as an allowed origin, not '" +
        std::string(host) + "'");
  if (origin.empty()) return Visitor::kProgram;
  const auto page = parse_origin(origin);  // "null", which sandboxed pages send, is none.
  if (page) {
    if (std::ranges::find(rules.allowed, *page) != rules.allowed.end()) return Visitor::kAllowed;
    const auto scheme = page->substr(0, page->find(':'));
    const auto own_origin = parse_origin(scheme + "://" + lower_host);
    if (own_origin && *own_origin == *page && !port_of(scheme).empty()) return Visitor::kOwnPage;
  }
  return forbidden("pages of this origin may not talk to this node; serve --allow-origin names those that may");
}

}  // namespace carillon::actors
