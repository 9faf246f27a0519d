// The files that say who is let in, as the gateway uses them: token keys and TLS certificate. Looked at every second; what
// is broken is reported, and what held before holds on.
//
// Belongs to the gateway's thread.
#pragma once

#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <memory>
#include <optional>
#include <string>

#include "actors/access_options.h"
#include "actors/edge.h"
#include "actors/watched_file.h"

namespace carillon::actors {

class KeyWatch {
 public:
  // Reads everything. MALFORMED or UNAVAILABLE names the file and what is wrong with it.
  static Result<std::unique_ptr<KeyWatch>> start(Edge& edge, const AccessOptions& options);

  bool has_tls() const { return tls_.get() != nullptr; }
  // The server's side of TLS over `stream`, with the newest certificate: rejects when the handshake fails or does not end
  // in time. Only with has_tls().
  kj::Promise<kj::Own<kj::AsyncIoStream>> wrap(kj::Own<kj::AsyncIoStream> stream);
  // Looks again and again, until it is dropped.
  kj::Promise<void> run();

 private:
  KeyWatch(Edge& edge, const AccessOptions& options);
  Result<void> load_keys();
  Result<void> load_certificate();
  void look();

  Edge& edge_;
  access::Gatekeeper::Expectations expectations_;
  std::optional<WatchedFile> keys_, certificate_, private_key_;
  kj::Own<kj::TlsContext> tls_;
};

}  // namespace carillon::actors
