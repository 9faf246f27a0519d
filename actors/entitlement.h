// What one connection may do, as long as it may (P9): ends when its token expires, or when the key that signed it is gone.
//
// Belongs to its gateway thread, and to one connection or one long answer, which must end when this does.
#pragma once

#include <kj/async.h>

#include <functional>
#include <string_view>

#include "access/rights.h"
#include "actors/edge.h"

namespace carillon::actors {

class Entitlement {
 public:
  static constexpr std::int64_t kWarnedBeforeMs = 60'000;

  // Everything at a node without keys; at others nothing before authenticate().
  explicit Entitlement(Edge& edge);
  // What a token gave already.
  Entitlement(Edge& edge, access::Rights rights);
  ~Entitlement();
  Entitlement(const Entitlement&) = delete;
  Entitlement& operator=(const Entitlement&) = delete;

  const access::Rights& rights() const { return rights_; }
  // From here on what `token` gives. UNAUTHENTICATED, or FORBIDDEN when it is another subject's than the one before, or what
  // `suffices` says of the new rights; then nothing changes.
  using Suffices = std::function<Result<void>(const access::Rights&)>;
  Result<void> authenticate(std::string_view token, const Suffices& suffices = nullptr);
  // Resolves with UNAUTHENTICATED when it is over. Called at most once.
  kj::Promise<Error> ended() { return kj::mv(ended_.promise); }
  // `expiring` is called a minute before the token expires, of each token that was shown; at once when less is left.
  void on_expiring(std::function<void(std::int64_t expires_at_ms)> expiring);

  // From the edge: other keys hold.
  void keys_replaced();

 private:
  kj::Promise<void> watch();
  void watch_from_here();
  void end(const Error& error);

  Edge& edge_;
  access::Rights rights_;
  kj::PromiseFulfillerPair<Error> ended_ = kj::newPromiseAndFulfiller<Error>();
  std::function<void(std::int64_t)> expiring_;
  bool warned_ = false;
  kj::Promise<void> watch_ = kj::READY_NOW;
};

}  // namespace carillon::actors
