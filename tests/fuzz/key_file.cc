// Key files: JWKS, PEM, secrets, or nothing of the kind. What is taken for a key has one algorithm, and knows what it has signed.
#include "access/json_web_key.h"
#include "tests/fuzz/target.h"

namespace carillon {
namespace {

void check_key(const access::JsonWebKey& key) {
  const auto& algorithm = key.algorithm();
  CHECK(algorithm == "HS256" || algorithm == "RS256" || algorithm == "ES256" || algorithm == "EdDSA");
  CHECK(!key.fingerprint().empty());
  if (!key.can_sign()) return;
  const auto token = key.sign(R"({"sub":"ana"})");
  if (!token) return;  // A private key that does not belong together, perhaps.
  CHECK(!key.has_signed(*token + "AAAA"));
}

}  // namespace

void fuzz(std::string_view input) {
  const auto keys = access::KeySet::parse(input);
  if (!keys) {
    CHECK(keys.error().code == ErrorCode::MALFORMED && !keys.error().message.empty());
    return;
  }
  CHECK(!keys->keys.empty() && keys->keys.size() <= access::KeySet::kKeysMax);
  CHECK(input.size() <= access::KeySet::kFileBytesMax);
  check_key(keys->keys.front());
}

}  // namespace carillon
