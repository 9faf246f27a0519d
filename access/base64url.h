// The alphabet of JSON Web Tokens: base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
//
// Pure. Strict, so that every text has one decoding and every bytes one text: no padding, no line ends, no bits that are left
// over.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace carillon::access {

// Nothing when `text` is not base64url.
std::optional<std::string> from_base64url(std::string_view text);
std::string to_base64url(std::string_view bytes);

}  // namespace carillon::access
