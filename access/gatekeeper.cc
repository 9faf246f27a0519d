#include "access/gatekeeper.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "access/base64url.h"
#include "messages/rfc3339.h"
#include "messages/text.h"
#include "runtime/json.h"

namespace carillon::access {
namespace {

constexpr std::size_t kSubjectBytesMax = 200;
constexpr std::size_t kAudiencesMax = 64;
constexpr double kSecondsMax = 253402300800.0;  // The year 10000: what RFC 3339 can name.

Error unauthenticated(std::string why) { return {ErrorCode::UNAUTHENTICATED, std::move(why), 0}; }

struct Header {
  std::string algorithm, key_id;
};

Result<Header> read_header(std::string_view encoded) {
  const auto text = from_base64url(encoded);
  JsonDocument json;
  if (!text || !json.parse(*text)) return unauthenticated("the token's header is not base64url of a JSON object");
  const auto root = json.root();
  // The library reads the header too; a name that is there twice it might read the other way.
  for (std::size_t i = 0; i < root.size(); ++i) {
    const auto name = root.member_name(i);
    for (std::size_t before = 0; before < i; ++before)
      if (root.member_name(before) == name) return unauthenticated("the token's header repeats a name");
    if (name == "crit" || name == "zip" || name == "b64")
      return unauthenticated("the token's header has " + std::string(name) + ", which is not supported");
  }
  if (const auto type = root.find("typ")) {
    auto name = std::string(type->as_string().value_or("?"));
    std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 'a' - 'A') : c; });
    if (name != "jwt" && name != "at+jwt") return unauthenticated("the token's typ is neither JWT nor at+jwt");
  }
  Header header;
  const auto algorithm = root.find("alg");
  header.algorithm = algorithm ? algorithm->as_string().value_or("") : "";
  if (const auto id = root.find("kid")) {
    if (!id->as_string()) return unauthenticated("the token's kid is no text");
    header.key_id = *id->as_string();
  }
  return header;
}

// A NumericDate in milliseconds.
Result<std::int64_t> read_time(const JsonValue& value, const char* name) {
  const auto seconds = value.type() == JsonValue::Type::kNumber ? value.as_double() : std::nullopt;
  if (!seconds || !(*seconds >= 0 && *seconds < kSecondsMax))
    return unauthenticated("the token's " + std::string(name) + " is no time in seconds");
  return static_cast<std::int64_t>(std::floor(*seconds * 1000));
}

Result<std::vector<Pattern>> read_patterns(const JsonValue& object, const char* name, std::string_view subject) {
  std::vector<Pattern> patterns;
  const auto list = object.find(name);
  if (!list) return patterns;
  const auto wrong = [&](const std::string& why) {
    return unauthenticated("the token's claim carillon." + std::string(name) + " is wrong: " + why);
  };
  if (!list->is_array()) return wrong("it is no list");
  if (list->size() > Gatekeeper::kPatternsMax) return wrong("it has more than 64 patterns");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto text = list->element(i).as_string();
    if (!text) return wrong("a pattern is no text");
    auto pattern = Pattern::parse(*text, subject);
    if (!pattern) return wrong(pattern.error().message);
    patterns.push_back(std::move(*pattern));
  }
  return patterns;
}

// Leaves `flag` as it is when there is none.
Result<void> read_flag(const JsonValue& object, const char* name, bool& flag) {
  const auto value = object.find(name);
  if (!value) return {};
  if (!value->as_bool())
    return unauthenticated("the token's claim carillon." + std::string(name) + " is neither true nor false");
  flag = *value->as_bool();
  return {};
}

Result<void> check_times(const JsonValue& root, std::int64_t now_ms, Claims& claims) {
  const auto expiry = root.find("exp");
  if (!expiry) return unauthenticated("the token has no exp: it must say until when it is valid");
  const auto expires = read_time(*expiry, "exp");
  if (!expires) return expires.error();
  if (*expires <= now_ms) return unauthenticated("the token expired at " + rfc3339(*expires));
  if (const auto not_before = root.find("nbf")) {
    const auto begins = read_time(*not_before, "nbf");
    if (!begins) return begins.error();
    if (*begins > now_ms + Gatekeeper::kClockSkewMs)
      return unauthenticated("the token is not valid before " + rfc3339(*begins));
  }
  claims.expires_at_ms = *expires;
  return {};
}

bool is_for(const JsonValue& audience, std::string_view expected) {
  if (audience.as_string() == expected) return true;
  if (!audience.is_array() || audience.size() > kAudiencesMax) return false;
  for (std::size_t i = 0; i < audience.size(); ++i)
    if (audience.element(i).as_string() == expected) return true;
  return false;
}

Result<void> check_origin(const JsonValue& root, const Gatekeeper::Expectations& expectations) {
  if (!expectations.issuer.empty()) {
    const auto issuer = root.find("iss");
    if (!issuer || issuer->as_string() != expectations.issuer)
      return unauthenticated("the token's iss is not the issuer that this node expects");
  }
  if (!expectations.audience.empty()) {
    const auto audience = root.find("aud");
    if (!audience || !is_for(*audience, expectations.audience))
      return unauthenticated("the token's aud is not the audience that this node expects");
  }
  return {};
}

Result<void> read_rights(const JsonValue& root, Claims& claims) {
  const auto subject = root.find("sub");
  const auto name = subject ? subject->as_string().value_or("") : "";
  if (!is_printable_utf8(name, kSubjectBytesMax))
    return unauthenticated("the token's sub is not 1 to 200 bytes of UTF-8 without control characters");
  claims.subject = name;
  // Without a claim that names others, a producer is its subject's own.
  claims.producers = {Pattern::exactly(claims.subject), Pattern::beginning_with(claims.subject + "/")};
  const auto ours = root.find("carillon");
  if (!ours) return {};  // A valid token that allows nothing.
  if (!ours->is_object()) return unauthenticated("the token's claim carillon is no object");
  auto read = read_patterns(*ours, "read", claims.subject);
  if (!read) return read.error();
  auto publish = read_patterns(*ours, "publish", claims.subject);
  if (!publish) return publish.error();
  auto producers = read_patterns(*ours, "producers", claims.subject);
  if (!producers) return producers.error();
  claims.read = std::move(*read);
  claims.publish = std::move(*publish);
  if (ours->find("producers")) claims.producers = std::move(*producers);
  if (auto operate = read_flag(*ours, "operate", claims.operate); !operate) return operate;
  return read_flag(*ours, "unlimited", claims.unlimited);
}

}  // namespace

Gatekeeper::Gatekeeper(KeySet keys, Expectations expectations)
    : keys_(std::make_shared<const KeySet>(std::move(keys))), expectations_(std::move(expectations)) {}

Result<Rights> Gatekeeper::admit(std::string_view token, std::int64_t now_ms) const {
  if (open()) return Rights::everything();
  if (token.empty()) return unauthenticated("this node needs a token, and none was shown");
  if (token.size() > kTokenBytesMax) return unauthenticated("a token has at most 8192 bytes");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return unauthenticated("this is no signed token: it has not three parts with dots in between");
  const auto header = read_header(token.substr(0, first));
  if (!header) return header.error();
  const auto payload = from_base64url(token.substr(first + 1, second - first - 1));
  if (!payload || !from_base64url(token.substr(second + 1)))
    return unauthenticated("the token is not base64url throughout");

  const JsonWebKey* signer = nullptr;
  for (const auto& key : keys_->keys) {
    if (key.algorithm() != header->algorithm) continue;
    if (!header->key_id.empty() && !key.id().empty() && key.id() != header->key_id) continue;
    if (!key.has_signed(token)) continue;
    signer = &key;
    break;
  }
  if (signer == nullptr) return unauthenticated("the token is not signed by a key that this node knows");

  JsonDocument json;
  if (!json.parse(*payload)) return unauthenticated("the token's claims are no JSON object");
  Claims claims;
  claims.key = signer->fingerprint();
  if (auto checked = check_times(json.root(), now_ms, claims); !checked) return checked.error();
  if (auto checked = check_origin(json.root(), expectations_); !checked) return checked.error();
  if (auto read = read_rights(json.root(), claims); !read) return read.error();
  return Rights(std::move(claims));
}

bool Gatekeeper::still_trusts(const Rights& rights) const {
  if (open()) return true;
  return std::ranges::any_of(keys_->keys, [&](const JsonWebKey& key) { return key.fingerprint() == rights.key(); });
}

}  // namespace carillon::access
