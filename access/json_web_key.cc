#include "access/json_web_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <rhonabwy.h>

#include <algorithm>
#include <array>
#include <optional>

#include "access/base64url.h"
#include "messages/text.h"
#include "runtime/json.h"

namespace carillon::access {
namespace {

constexpr std::size_t kIdBytesMax = 256;
constexpr std::size_t kSecretBytesMax = 512;
constexpr int kNothingRemote = R_FLAG_IGNORE_REMOTE;

struct JwkDeleter {
  void operator()(jwk_t* jwk) const { r_jwk_free(jwk); }
};
struct JwsDeleter {
  void operator()(jws_t* jws) const { r_jws_free(jws); }
};
using Jwk = std::unique_ptr<jwk_t, JwkDeleter>;
using Jws = std::unique_ptr<jws_t, JwsDeleter>;

Jwk new_jwk() {
  jwk_t* jwk = nullptr;
  CHECK(r_jwk_init(&jwk) == RHN_OK);
  return Jwk(jwk);
}

Jws new_jws() {
  jws_t* jws = nullptr;
  CHECK(r_jws_init(&jws) == RHN_OK);
  return Jws(jws);
}

std::string take(char* text) {
  std::string copy = text == nullptr ? "" : text;
  r_free(text);
  return copy;
}

Error malformed(std::string what) { return {ErrorCode::MALFORMED, std::move(what), 0}; }

// Rhonabwy compares by strcmp, whose time tells how much of a guess is right; here it takes as long whatever it is.
bool is_hmac_sha256(std::string_view signature, std::string_view text, std::string_view secret) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> right{};
  unsigned bytes = 0;
  CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), right.data(), &bytes) != nullptr);
  return signature.size() == bytes && CRYPTO_memcmp(signature.data(), right.data(), bytes) == 0;
}

jwa_alg library_algorithm(const std::string& name) { return r_str_to_jwa_alg(name.c_str()); }

}  // namespace

struct JsonWebKey::Material {
  Jwk verifying;       // The public key, or the secret.
  Jwk signing;         // The private key, or the secret; null when there is only a public one.
  std::string secret;  // Of HS256.
};

bool JsonWebKey::can_sign() const { return material_->signing != nullptr; }

bool JsonWebKey::has_signed(std::string_view token) const {
  const auto jws = new_jws();
  // R_PARSE_NONE: keys that the header itself brings along are no keys.
  if (r_jws_advanced_compact_parsen(jws.get(), token.data(), token.size(), R_PARSE_NONE, kNothingRemote) != RHN_OK)
    return false;
  if (r_jws_get_alg(jws.get()) != library_algorithm(algorithm_)) return false;
  if (algorithm_ == "HS256") {
    const auto end = token.rfind('.');
    const auto signature = from_base64url(token.substr(end + 1));
    return signature && is_hmac_sha256(*signature, token.substr(0, end), material_->secret);
  }
  return r_jws_verify_signature(jws.get(), material_->verifying.get(), kNothingRemote) == RHN_OK;
}

Result<std::string> JsonWebKey::sign(std::string_view claims) const {
  if (!can_sign()) return malformed("a public key cannot sign: a token is made with the private key or the secret");
  const auto jws = new_jws();
  bool set =
      r_jws_set_alg(jws.get(), library_algorithm(algorithm_)) == RHN_OK &&
      r_jws_set_header_str_value(jws.get(), "typ", "JWT") == RHN_OK &&
      r_jws_set_payload(jws.get(), reinterpret_cast<const unsigned char*>(claims.data()), claims.size()) == RHN_OK;
  if (!id_.empty()) set = set && r_jws_set_header_str_value(jws.get(), "kid", id_.c_str()) == RHN_OK;
  auto token = set ? take(r_jws_serialize(jws.get(), material_->signing.get(), kNothingRemote)) : std::string();
  if (token.empty()) return malformed("the key does not sign");
  return token;
}

// Makes keys of what files hold.
struct KeyReader {
  // What a key of this type signs with; nothing when tokens may not be signed with it.
  struct Purpose {
    std::string algorithm;
    bool is_private = false;  // Secrets are.
  };
  static Result<Purpose> purpose_of(const Jwk& jwk) {
    unsigned bits = 0;
    const int type = r_jwk_key_type(jwk.get(), &bits, kNothingRemote);
    Purpose purpose{.is_private = (type & (R_KEY_TYPE_PRIVATE | R_KEY_TYPE_SYMMETRIC)) != 0};
    if ((type & R_KEY_TYPE_SYMMETRIC) != 0) {
      if (bits < JsonWebKey::kSecretBytesMin * 8) return malformed("a secret has at least 32 bytes");
      purpose.algorithm = "HS256";
    } else if ((type & R_KEY_TYPE_RSA) != 0) {
      if (bits < JsonWebKey::kRsaBitsMin) return malformed("an RSA key has at least 2048 bits");
      purpose.algorithm = "RS256";
    } else if ((type & R_KEY_TYPE_EC) != 0) {
      const char* curve = r_jwk_get_property_str(jwk.get(), "crv");
      if (curve == nullptr || std::string_view(curve) != "P-256") return malformed("the curve is not P-256");
      purpose.algorithm = "ES256";
    } else if ((type & R_KEY_TYPE_EDDSA) != 0) {
      const char* curve = r_jwk_get_property_str(jwk.get(), "crv");
      if (curve == nullptr || std::string_view(curve) != "Ed25519") return malformed("the curve is not Ed25519");
      purpose.algorithm = "EdDSA";
    } else {
      return malformed("it is of no type that signs tokens (oct, RSA, EC on P-256, OKP on Ed25519)");
    }
    return purpose;
  }

  static Result<JsonWebKey> make(Jwk jwk, std::string id) {
    auto purpose = purpose_of(jwk);
    if (!purpose) return purpose.error();
    JsonWebKey key;
    key.id_ = std::move(id);
    key.algorithm_ = std::move(purpose->algorithm);
    auto material = std::make_shared<JsonWebKey::Material>();
    if (!purpose->is_private) {
      material->verifying = std::move(jwk);
    } else if (key.algorithm_ == "HS256") {
      const char* encoded = r_jwk_get_property_str(jwk.get(), "k");
      auto secret = from_base64url(encoded == nullptr ? "" : encoded);
      if (!secret || secret->size() < JsonWebKey::kSecretBytesMin) return malformed("the secret cannot be read");
      material->secret = std::move(*secret);
      material->verifying.reset(r_jwk_copy(jwk.get()));
      material->signing = std::move(jwk);
    } else {
      material->verifying = new_jwk();
      if (r_jwk_extract_pubkey(jwk.get(), material->verifying.get(), kNothingRemote) != RHN_OK)
        return malformed("the private key has no public one");
      material->signing = std::move(jwk);
    }
    key.fingerprint_ = take(r_jwk_thumbprint(material->verifying.get(), R_JWK_THUMB_SHA256, kNothingRemote));
    if (key.fingerprint_.empty()) return malformed("the key is incomplete");
    key.material_ = std::move(material);
    return key;
  }

  // Only the members that make the key are passed on: none that names a place to fetch something from.
  static Result<JsonWebKey> from_json(const JsonValue& json) {
    static constexpr std::array kMembers = {"kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "k"};
    if (!json.is_object()) return malformed("it is no object");
    JsonWriter members;
    members.begin_object();
    for (const char* name : kMembers) {
      const auto member = json.find(name);
      if (!member) continue;
      const auto text = member->as_string();
      if (!text) return malformed(std::string(name) + " is no text");
      members.field(name, *text);
    }
    members.end_object();
    const auto text_of = [&](const char* name) -> std::string {
      const auto member = json.find(name);
      return std::string(member ? member->as_string().value_or("?") : std::string_view());
    };
    if (const auto use = text_of("use"); !use.empty() && use != "sig") return malformed("its use is not sig");
    if (text_of("kty") == "oct" && !from_base64url(text_of("k"))) return malformed("k is not base64url");
    auto jwk = new_jwk();
    if (r_jwk_import_from_json_str(jwk.get(), members.text().c_str()) != RHN_OK)
      return malformed("it is no complete key");
    std::string id = text_of("kid");
    if (id.size() > kIdBytesMax) return malformed("kid is longer than 256 bytes");
    auto key = make(std::move(jwk), std::move(id));
    if (!key) return key;
    if (const auto algorithm = text_of("alg"); !algorithm.empty() && algorithm != key->algorithm())
      return malformed("its alg is not " + key->algorithm());
    return key;
  }

  static Result<KeySet> from_json_file(std::string_view file) {
    JsonDocument document;
    if (auto parsed = document.parse(file); !parsed) return malformed("no JSON: " + parsed.error().message);
    const auto list = document.root().find("keys");
    if (!list) {
      auto key = from_json(document.root());
      if (!key) return malformed("the key is of no use: " + key.error().message);
      return KeySet{{std::move(*key)}, {}};
    }
    if (!list->is_array()) return malformed("`keys` is no list");
    if (list->size() > KeySet::kKeysMax) return malformed("more than 32 keys");
    KeySet set;
    for (std::size_t i = 0; i < list->size(); ++i) {
      auto key = from_json(list->element(i));
      if (key)
        set.keys.push_back(std::move(*key));
      else
        set.passed_over.push_back("key " + std::to_string(i + 1) + ": " + key.error().message);
    }
    return set;
  }

  static Result<KeySet> from_pem_file(std::string_view file) {
    static constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";
    KeySet set;
    std::size_t blocks = 0;
    for (auto at = file.find(kBegin); at != std::string_view::npos; at = file.find(kBegin)) {
      file.remove_prefix(at);
      const auto label_end = file.find(kDashes, kBegin.size());
      const auto end = file.find(kEnd);
      const auto last = end == std::string_view::npos ? end : file.find(kDashes, end + kEnd.size());
      if (label_end == std::string_view::npos || last == std::string_view::npos || label_end > end)
        return malformed("a PEM block has no end");
      const auto label = file.substr(kBegin.size(), label_end - kBegin.size());
      const auto block = file.substr(0, last + kDashes.size());
      file.remove_prefix(block.size());
      if (label == "EC PARAMETERS") continue;  // openssl writes them before the key, which names its curve as well.
      ++blocks;
      const std::string which = "PEM block " + std::to_string(blocks);
      int type = 0;
      if (label == "PUBLIC KEY")
        type = R_X509_TYPE_PUBKEY;
      else if (label == "PRIVATE KEY" || label == "EC PRIVATE KEY" || label == "RSA PRIVATE KEY")
        type = R_X509_TYPE_PRIVKEY;
      else if (label == "CERTIFICATE")
        type = R_X509_TYPE_CERTIFICATE;
      else
        return malformed(which + " is neither PUBLIC KEY, PRIVATE KEY (without a password) nor CERTIFICATE");
      if (set.keys.size() == KeySet::kKeysMax) return malformed("more than 32 keys");
      auto jwk = new_jwk();
      if (r_jwk_import_from_pem_der(jwk.get(), type, R_FORMAT_PEM, reinterpret_cast<const unsigned char*>(block.data()),
                                    block.size()) != RHN_OK)
        return malformed(which + " cannot be read");
      auto key = make(std::move(jwk), {});
      if (!key) return malformed(which + " is of no use: " + key.error().message);
      set.keys.push_back(std::move(*key));
    }
    return set;
  }

  static Result<KeySet> from_secrets(std::string_view file) {
    KeySet set;
    std::size_t number = 0;
    while (!file.empty()) {
      const auto end = std::min(file.find('\n'), file.size());
      auto line = file.substr(0, end);
      file.remove_prefix(std::min(end + 1, file.size()));
      ++number;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      const bool printable = std::ranges::all_of(line, [](char c) { return c > ' ' && c <= '~'; });
      if (!printable || line.size() < JsonWebKey::kSecretBytesMin || line.size() > kSecretBytesMax)
        return malformed("line " + std::to_string(number) +
                         " is no secret of 32 to 512 printable characters (and the file is neither JSON nor PEM)");
      if (set.keys.size() == KeySet::kKeysMax) return malformed("more than 32 keys");
      auto jwk = new_jwk();
      if (r_jwk_import_from_symmetric_key(jwk.get(), reinterpret_cast<const unsigned char*>(line.data()),
                                          line.size()) != RHN_OK)
        return malformed("line " + std::to_string(number) + " cannot be used as a secret");
      auto key = make(std::move(jwk), {});
      if (!key) return malformed("line " + std::to_string(number) + ": " + key.error().message);
      set.keys.push_back(std::move(*key));
    }
    return set;
  }
};

Result<KeySet> KeySet::parse(std::string_view file) {
  if (file.size() > kFileBytesMax) return malformed("longer than 256 KiB");
  const auto begin = file.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return malformed("empty");
  auto set = file[begin] == '{'                                   ? KeyReader::from_json_file(file)
             : file.find("-----BEGIN ") != std::string_view::npos ? KeyReader::from_pem_file(file)
                                                                  : KeyReader::from_secrets(file);
  if (set && set->keys.empty())
    return malformed("no key in it that signs tokens" +
                     (set->passed_over.empty() ? std::string() : "; " + set->passed_over.front()));
  return set;
}

}  // namespace carillon::access
