#include "actors/key_watch.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

namespace carillon::actors {
namespace {

constexpr auto kLookEvery = 1 * kj::SECONDS;

Error in_file(const WatchedFile& file, const std::string& what) {
  return {ErrorCode::MALFORMED, file.path().string() + ": " + what, 0};
}

// When the certificate ends; nothing when the key does not belong to it, which OpenSSL drops silently, and so does KJ. Of a chain
// only the node's own certificate counts: clients may well do without an authority's old one.
std::optional<std::chrono::sys_seconds> end_of_pair(const std::string& certificate_pem, const std::string& key_pem) {
  const auto bio_of = [](const std::string& pem) {
    return std::unique_ptr<BIO, decltype(&BIO_free)>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                     BIO_free);
  };
  // A password is asked of nobody.
  const auto no_password = [](char*, int, int, void*) { return 0; };
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio_of(certificate_pem).get(), nullptr, no_password, nullptr), X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio_of(key_pem).get(), nullptr, no_password, nullptr), EVP_PKEY_free);
  const bool together = certificate && key && X509_check_private_key(certificate.get(), key.get()) == 1;
  std::tm end{};
  const bool ends = together && ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) == 1;
  // What OpenSSL noted down would be taken for an error of whatever connection this thread turns to next.
  ERR_clear_error();
  if (!ends) return std::nullopt;
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&end)));
}

}  // namespace

KeyWatch::KeyWatch(GatewayLoop& here, const AccessOptions& options) : here_(here), expectations_(options.expectations) {
  if (!options.keys.empty()) keys_.emplace(options.keys);
  if (!options.tls_certificate.empty()) certificate_.emplace(options.tls_certificate);
  if (!options.tls_key.empty()) private_key_.emplace(options.tls_key);
}

Result<std::unique_ptr<KeyWatch>> KeyWatch::start(GatewayLoop& here, const AccessOptions& options) {
  std::unique_ptr<KeyWatch> watch(new KeyWatch(here, options));
  if (auto loaded = watch->load_keys(); !loaded) return loaded.error();
  if (auto loaded = watch->load_certificate(); !loaded) return loaded.error();
  watch->looking_ = watch->look_again_and_again().eagerlyEvaluate(nullptr);
  return watch;
}

Result<void> KeyWatch::load_keys() {
  if (!keys_) return {};
  const auto content = keys_->read();
  if (!content) return content.error();
  auto keys = access::KeySet::parse(*content);
  if (!keys) return in_file(*keys_, keys.error().message);
  for (const auto& reason : keys->passed_over) spdlog::warn("{}: passed over {}", keys_->path().string(), reason);
  spdlog::info("{} keys for tokens from {}", keys->keys.size(), keys_->path().string());
  here_.tell_all([gatekeeper = access::Gatekeeper(std::move(*keys), expectations_)](GatewayLoop& loop) {
    loop.edge().replace_gatekeeper(gatekeeper);
  });
  return {};
}

Result<void> KeyWatch::load_certificate() {
  if (!certificate_) return {};
  const auto certificate = certificate_->read();
  const auto private_key = private_key_->read();
  if (!certificate) return certificate.error();
  if (!private_key) return private_key.error();
  const auto ends_at = end_of_pair(*certificate, *private_key);
  if (!ends_at)
    return in_file(*certificate_, "no certificate in PEM that belongs to the key in " + private_key_->path().string());
  std::string wrong;
  KJ_IF_MAYBE (failed, kj::runCatchingExceptions([&] {
                 const kj::TlsKeypair pair{
                     kj::TlsPrivateKey(kj::StringPtr(private_key->c_str(), private_key->size())),
                     kj::TlsCertificate(kj::StringPtr(certificate->c_str(), certificate->size()))};
                 kj::TlsContext::Options options;
                 options.useSystemTrustStore = false;  // Clients show tokens, not certificates.
                 options.minVersion = kj::TlsVersion::TLS_1_2;
                 options.defaultKeypair = pair;
                 here_.tell_all(
                     [context = std::make_shared<kj::TlsContext>(kj::mv(options)), ends_at](GatewayLoop& loop) {
                       loop.use(context);
                       loop.edge().certificate_ends_at = ends_at;
                     });
               }))
    wrong = failed->getDescription().cStr();
  if (!wrong.empty()) return in_file(*certificate_, "it cannot be used: " + wrong);
  return {};
}

void KeyWatch::look() {
  const auto note = [&](std::string& complaint, const Result<void>& loaded, const char* before) {
    const auto earlier = std::exchange(complaint, loaded ? std::string() : loaded.error().message + "; " + before);
    if (!loaded && complaint != earlier) spdlog::error("{}", complaint);
  };
  const bool new_keys = keys_ && keys_->has_changed();
  const bool new_certificate = certificate_ && (certificate_->has_changed() || private_key_->has_changed());
  if (!new_keys && !new_certificate) return;
  if (new_keys) note(complaints_.keys, load_keys(), "the keys of before hold on");
  if (new_certificate) {
    note(complaints_.certificate, load_certificate(), "the certificate of before is shown on");
    if (complaints_.certificate.empty()) spdlog::info("new connections get the new certificate");
  }
  here_.tell_all([complaints = complaints_](GatewayLoop& loop) { loop.edge().complaints = complaints; });
}

kj::Promise<void> KeyWatch::look_again_and_again() {
  return here_.edge().timer.afterDelay(kLookEvery).then([this] {
    look();
    return look_again_and_again();
  });
}

}  // namespace carillon::actors
