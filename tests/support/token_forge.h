// Makes keys, and tokens signed with them, by OpenSSL, which the product does not use for tokens; also such tokens as nobody
// should accept.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace carillon {

class TokenForge {
 public:
  static TokenForge rsa(unsigned bits = 2048);
  static TokenForge ec(const char* curve = "P-256");
  static TokenForge ed25519();
  static TokenForge secret(std::string bytes);

  // `RS256` and so on, as a header names it.
  const std::string& algorithm() const { return algorithm_; }
  // PEM; of a secret the secret itself.
  std::string public_file() const;
  std::string private_file() const;

  // Signed in this key's own way, whatever the header says.
  std::string sign(std::string_view header, std::string_view claims) const;
  // With the header that belongs to it.
  std::string sign(std::string_view claims) const;

 private:
  struct Key;
  std::string algorithm_;
  std::string secret_;
  std::shared_ptr<const Key> key_;  // Null for secrets.
};

}  // namespace carillon
