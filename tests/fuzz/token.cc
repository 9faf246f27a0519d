// Tokens: of any bytes; of any header and claims with a signature that is none; and of any claims, well signed. Whoever is admitted
// is somebody, and only who has the key makes others so.
#include "access/base64url.h"
#include "access/gatekeeper.h"
#include "messages/text.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  using namespace access;
  constexpr std::int64_t kNow = 1'764'000'000'000;
  static const KeySet keys = *KeySet::parse("0123456789abcdef0123456789abcdef");
  static const Gatekeeper gatekeeper(keys, {.issuer = "", .audience = "carillon"});
  if (input.empty()) return;
  const auto rest = input.substr(1);
  std::string token(rest);
  if (input[0] == 'h') {
    const auto line = std::min(rest.find('\n'), rest.size());
    token = to_base64url(rest.substr(0, line)) + "." + to_base64url(rest.substr(std::min(line + 1, rest.size()))) +
            ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  } else if (input[0] == 'c') {
    auto made = keys.keys.front().sign(rest);
    if (!made) return;
    token = std::move(*made);
  }
  const auto rights = gatekeeper.admit(token, kNow);
  if (!rights) {
    CHECK(rights.error().code == ErrorCode::UNAUTHENTICATED && !rights.error().message.empty());
    return;
  }
  CHECK(input[0] != 'h');
  CHECK(token.size() <= Gatekeeper::kTokenBytesMax);
  CHECK(is_printable_utf8(rights->subject(), 200) && rights->expires_at_ms() > kNow);
  CHECK(rights->check_authenticated().ok() && gatekeeper.still_trusts(*rights));
}

}  // namespace carillon
