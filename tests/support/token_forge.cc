#include "tests/support/token_forge.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <vector>

#include "access/base64url.h"
#include "messages/result.h"

namespace carillon {
namespace {

using Bytes = std::vector<unsigned char>;

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// OpenSSL writes ECDSA's two numbers as ASN.1, tokens want them side by side.
Bytes side_by_side(const Bytes& asn1) {
  const auto* at = asn1.data();
  ECDSA_SIG* const pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(asn1.size()));
  CHECK(pair != nullptr);
  Bytes bytes(64);
  CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes.data(), 32) == 32);
  CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes.data() + 32, 32) == 32);
  ECDSA_SIG_free(pair);
  return bytes;
}

template <class Write>
std::string pem(Write&& write) {
  BIO* const out = BIO_new(BIO_s_mem());
  CHECK(write(out) == 1);
  char* data = nullptr;
  const auto bytes = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(bytes));
  BIO_free(out);
  return text;
}

}  // namespace

struct TokenForge::Key {
  EVP_PKEY* pkey;
  explicit Key(EVP_PKEY* made) : pkey(made) { CHECK(made != nullptr); }
  ~Key() { EVP_PKEY_free(pkey); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
};

TokenForge TokenForge::rsa(unsigned bits) {
  TokenForge forge;
  forge.algorithm_ = "RS256";
  forge.key_ = std::make_shared<Key>(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
  return forge;
}

TokenForge TokenForge::ec(const char* curve) {
  TokenForge forge;
  forge.algorithm_ = "ES256";
  forge.key_ = std::make_shared<Key>(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
  return forge;
}

TokenForge TokenForge::ed25519() {
  TokenForge forge;
  forge.algorithm_ = "EdDSA";
  forge.key_ = std::make_shared<Key>(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  return forge;
}

TokenForge TokenForge::secret(std::string bytes) {
  TokenForge forge;
  forge.algorithm_ = "HS256";
  forge.secret_ = std::move(bytes);
  return forge;
}

std::string TokenForge::public_file() const {
  return key_ ? pem([&](BIO* out) { return PEM_write_bio_PUBKEY(out, key_->pkey); }) : secret_;
}

std::string TokenForge::private_file() const {
  if (!key_) return secret_;
  return pem(
      [&](BIO* out) { return PEM_write_bio_PrivateKey(out, key_->pkey, nullptr, nullptr, 0, nullptr, nullptr); });
}

std::string TokenForge::sign(std::string_view header, std::string_view claims) const {
  const auto signed_text = access::to_base64url(header) + "." + access::to_base64url(claims);
  const auto* data = reinterpret_cast<const unsigned char*>(signed_text.data());
  Bytes signature(1024);
  if (!key_) {
    unsigned bytes = 0;
    CHECK(HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), data, signed_text.size(),
               signature.data(), &bytes) != nullptr);
    signature.resize(bytes);
  } else {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    const auto* digest = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
    std::size_t bytes = signature.size();
    CHECK(EVP_DigestSignInit(context, nullptr, digest, nullptr, key_->pkey) == 1);
    CHECK(EVP_DigestSign(context, signature.data(), &bytes, data, signed_text.size()) == 1);
    EVP_MD_CTX_free(context);
    signature.resize(bytes);
    if (algorithm_ == "ES256") signature = side_by_side(signature);
  }
  return signed_text + "." + access::to_base64url(text_of(signature));
}

std::string TokenForge::sign(std::string_view claims) const {
  return sign("{\"alg\":\"" + algorithm_ + "\",\"typ\":\"JWT\"}", claims);
}

}  // namespace carillon
