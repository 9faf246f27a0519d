// What a client shows to the nodes it connects to, and how it speaks with them. By default nothing, in the clear.
#pragma once

#include <kj/async-io.h>

#include <string>

#include "clients/cpp/address.h"
#include "messages/result.h"

namespace carillon::client {

struct Credentials {
  std::string token;       // Shown on every connection; empty: none.
  std::string token_file;  // Instead: read anew for every connection, so that whoever makes tokens may replace it.
  bool tls = false;
  std::string tls_ca_file;  // With TLS: the authorities that are trusted, PEM; empty: the system's.
  std::string tls_name;     // With TLS: the name in the node's certificate; empty: the address's host.
};

// The token to show now; empty for none. MALFORMED when the file cannot be read, or holds no single line.
Result<std::string> token_to_show(const Credentials& credentials);

// The client's side of TLS over a stream that is connected to `address`. Rejects when the node is not who it should be.
kj::Promise<kj::Own<kj::AsyncIoStream>> wrap_in_tls(const Credentials& credentials, const Address& address,
                                                    kj::Own<kj::AsyncIoStream> stream);

}  // namespace carillon::client
