#include "clients/cpp/credentials.h"

#include <kj/compat/tls.h>

#include <fstream>
#include <iterator>

namespace carillon::client {
namespace {

constexpr std::size_t kFileBytesMax = 1u << 20;

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content;
  if (file) content.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || content.size() > kFileBytesMax) return Error{ErrorCode::MALFORMED, "cannot read " + path, 0};
  return content;
}

}  // namespace

Result<std::string> token_to_show(const Credentials& credentials) {
  if (credentials.token_file.empty()) return credentials.token;
  auto content = read_file(credentials.token_file);
  if (!content) return content;
  const auto end = content->find_last_not_of(" \t\r\n");
  content->resize(end == std::string::npos ? 0 : end + 1);
  if (content->empty() || content->find_first_of(" \t\r\n") != std::string::npos)
    return Error{ErrorCode::MALFORMED, credentials.token_file + " does not hold one token and nothing else", 0};
  return content;
}

kj::Promise<kj::Own<kj::AsyncIoStream>> wrap_in_tls(const Credentials& credentials, const Address& address,
                                                    kj::Own<kj::AsyncIoStream> stream) {
  kj::TlsContext::Options options;
  options.minVersion = kj::TlsVersion::TLS_1_2;
  kj::Maybe<kj::TlsCertificate> authority;
  if (!credentials.tls_ca_file.empty()) {
    const auto pem = read_file(credentials.tls_ca_file);
    if (!pem)
      return kj::Exception(kj::Exception::Type::FAILED, __FILE__, __LINE__, kj::str(pem.error().message.c_str()));
    auto& trusted = authority.emplace(kj::StringPtr(pem->c_str(), pem->size()));
    options.useSystemTrustStore = false;
    options.trustedCertificates = kj::arrayPtr(&trusted, 1);
  }
  kj::TlsContext context(kj::mv(options));
  const auto name = credentials.tls_name.empty() ? address.host : credentials.tls_name;
  auto wrapped = context.wrapClient(kj::mv(stream), kj::StringPtr(name.c_str(), name.size()));
  return wrapped.attach(kj::str(name.c_str()));
}

}  // namespace carillon::client
