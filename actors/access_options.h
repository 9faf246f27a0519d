// Who may come to a gateway, and how: what `serve` is told of tokens and TLS (docs/security.md).
#pragma once

#include <filesystem>

#include "access/gatekeeper.h"

namespace carillon::actors {

struct AccessOptions {
  std::filesystem::path
      keys;  // A JWKS, PEM or secrets (access/json_web_key.h); empty: no tokens, everybody may do everything.
  access::Gatekeeper::Expectations expectations;
  std::filesystem::path tls_certificate, tls_key;  // PEM; both or neither.
  bool plaintext = false;                          // Beyond loopback without TLS, since something else encrypts.
  bool open_metrics = false;                       // Beyond loopback, /metrics without a token.
};

}  // namespace carillon::actors
