// Turns a token into rights (P9): JSON Web Tokens in compact form (RFC 7519), judged as RFC 8725 advises.
//
// Pure: the keys are given, and the time. A value, cheap to copy; what is shared does not change, so copies may be used on any
// thread. What a token must be: at most 8 KiB, signed by one of the keys with that key's own algorithm, not expired (`exp` is
// needed), not used before its time (`nbf`), from the expected issuer and for the expected audience where those are set,
// and for somebody (`sub`). Headers that would change how it is to be read (`crit`, `zip`, `b64`) are refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "access/json_web_key.h"
#include "access/rights.h"
#include "messages/result.h"

namespace carillon::access {

class Gatekeeper {
 public:
  static constexpr std::size_t kTokenBytesMax = 8'192;
  static constexpr std::size_t kPatternsMax = 64;  // In each list of a token's claims.
  static constexpr std::int64_t kClockSkewMs =
      5'000;  // By which an issuer's clock may be ahead (`nbf`); not for `exp`.

  struct Expectations {
    std::string issuer;    // `iss` must be this; empty: whatever it is.
    std::string audience;  // `aud` must be this or hold it; empty: whatever it is.
  };

  // Without keys: everybody may do everything.
  Gatekeeper() = default;
  Gatekeeper(KeySet keys, Expectations expectations);

  // Are there no keys, so that no token is needed?
  bool open() const { return !keys_; }
  // The rights of whoever shows `token`. UNAUTHENTICATED says why not. Of an open gatekeeper everything, whatever the token.
  Result<Rights> admit(std::string_view token, std::int64_t now_ms) const;
  // Is the key still there that signed the token which gave these rights?
  bool still_trusts(const Rights& rights) const;
  // The same expectations with other keys.
  Gatekeeper with_keys(KeySet keys) const { return {std::move(keys), expectations_}; }

 private:
  std::shared_ptr<const KeySet> keys_;  // Null when open.
  Expectations expectations_;
};

}  // namespace carillon::access
