// Keys that sign tokens: read from a file, each with the one algorithm that it is for.
//
// The only file that knows rhonabwy, the library for JSON Web Keys and signatures. The algorithm belongs to the key and not to
// the token: a shared secret is for HS256, an RSA key for RS256, one on P-256 for ES256, one on Ed25519 for EdDSA, and no
// other. So a public key can never be taken for a secret. A JsonWebKey is a value, cheap to copy.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace carillon::access {

class JsonWebKey {
 public:
  static constexpr std::size_t kSecretBytesMin = 32;  // Of HS256 (RFC 7518 section 3.2).
  static constexpr unsigned kRsaBitsMin = 2048;

  // As in a token's `kid`; empty when the file names none, as PEM and secrets never do.
  const std::string& id() const { return id_; }
  // `HS256`, `RS256`, `ES256` or `EdDSA`.
  const std::string& algorithm() const { return algorithm_; }
  // Tells keys apart: RFC 7638's thumbprint. Of a public key and its private one it is the same.
  const std::string& fingerprint() const { return fingerprint_; }
  bool can_sign() const;

  // Is `token`, a JWS in compact form, signed by this key with its algorithm? The caller has refused headers that say `zip`,
  // for the library would unpack what they name before it looks at the signature.
  bool has_signed(std::string_view token) const;
  // The token that says `claims`, a JSON object. MALFORMED when this is a public key.
  Result<std::string> sign(std::string_view claims) const;

 private:
  friend struct KeyReader;
  struct Material;
  JsonWebKey() = default;

  std::string id_, algorithm_, fingerprint_;
  std::shared_ptr<const Material> material_;
};

struct KeySet {
  static constexpr std::size_t kFileBytesMax = 256 * 1024;
  static constexpr std::size_t kKeysMax = 32;

  // Reads what a key file holds: a JWKS or a single JWK (JSON), PEM blocks (public or private keys, certificates), or
  // secrets, one a line of at least 32 printable characters. MALFORMED says what is wrong, without showing a key, also when
  // there is no key in it that tokens may be signed with.
  static Result<KeySet> parse(std::string_view file);

  std::vector<JsonWebKey> keys;
  std::vector<std::string> passed_over;  // Of a JWKS: keys for other purposes, and why they are of no use here.
};

}  // namespace carillon::access
