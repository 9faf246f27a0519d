// The files that say who is let in, as the gateway uses them: token keys and TLS certificate. Looked at every second; what
// is broken is reported, and what held before holds on.
//
// Belongs to one of the gateway's threads, and tells them all.
#pragma once

#include <memory>
#include <optional>

#include "actors/access_options.h"
#include "actors/gateway_loop.h"
#include "actors/watched_file.h"

namespace carillon::actors {

class KeyWatch {
 public:
  // Reads everything, and tells the team of `here`, the loop of this thread. MALFORMED or UNAVAILABLE names the file and what is
  // wrong with it.
  static Result<std::unique_ptr<KeyWatch>> start(GatewayLoop& here, const AccessOptions& options);

 private:
  KeyWatch(GatewayLoop& here, const AccessOptions& options);
  Result<void> load_keys();
  Result<void> load_certificate();
  void look();
  kj::Promise<void> look_again_and_again();

  GatewayLoop& here_;
  access::Gatekeeper::Expectations expectations_;
  std::optional<WatchedFile> keys_, certificate_, private_key_;
  Edge::Complaints complaints_;
  kj::Promise<void> looking_ = nullptr;
};

}  // namespace carillon::actors
