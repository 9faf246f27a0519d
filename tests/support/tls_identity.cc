#include "tests/support/tls_identity.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "messages/result.h"

namespace carillon {
namespace {

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

void add(X509* certificate, int what, const char* value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
  CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TlsIdentity TlsIdentity::make() {
  constexpr long kDay = 86'400;
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  X509* const certificate = X509_new();
  CHECK(key != nullptr && certificate != nullptr);
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), kDay);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  add(certificate, NID_subject_alt_name, "DNS:localhost");
  add(certificate, NID_basic_constraints, "critical,CA:TRUE");
  CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
  TlsIdentity identity;
  identity.certificate = pem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); });
  identity.private_key =
      pem([&](BIO* out) { return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

}  // namespace carillon
