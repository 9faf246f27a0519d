#include "actors/entitlement.h"

#include <algorithm>

#include "messages/rfc3339.h"

namespace carillon::actors {
namespace {

// The clock on the wall may be set meanwhile; it is looked at so often.
constexpr std::int64_t kLookEveryMs = 60'000;

}  // namespace

Entitlement::Entitlement(Edge& edge)
    : Entitlement(edge, edge.gatekeeper.open() ? access::Rights::everything() : access::Rights()) {}

Entitlement::Entitlement(Edge& edge, access::Rights rights) : edge_(edge), rights_(std::move(rights)) {
  edge_.entitlements.insert(this);
  watch_from_here();
}

Entitlement::~Entitlement() { edge_.entitlements.erase(this); }

Result<void> Entitlement::authenticate(std::string_view token, const Suffices& suffices) {
  auto rights = edge_.admit(token);
  if (!rights) return rights.error();
  if (rights_.expires_at_ms() && rights_.subject() != rights->subject())
    return Error{ErrorCode::FORBIDDEN, "a connection stays with the subject of its first token, " + rights_.subject(),
                 0};
  if (suffices)
    if (auto enough = suffices(*rights); !enough) return enough;
  rights_ = std::move(*rights);
  watch_from_here();
  return {};
}

void Entitlement::on_expiring(std::function<void(std::int64_t)> expiring) {
  expiring_ = std::move(expiring);
  watch_from_here();
}

void Entitlement::keys_replaced() {
  if (!rights_.expires_at_ms() || edge_.gatekeeper.still_trusts(rights_)) return;
  end({ErrorCode::UNAUTHENTICATED, "the key that signed the token is no longer valid", 0});
}

void Entitlement::watch_from_here() {
  warned_ = false;
  if (rights_.expires_at_ms()) watch_ = kj::evalLater([this] { return watch(); }).eagerlyEvaluate(nullptr);
}

kj::Promise<void> Entitlement::watch() {
  const auto expires = *rights_.expires_at_ms();
  const auto left = expires - wall_clock_ms();
  if (left <= 0) {
    end({ErrorCode::UNAUTHENTICATED, "the token expired at " + rfc3339(expires), 0});
    return kj::READY_NOW;
  }
  auto next = std::min(left, kLookEveryMs);
  if (!warned_ && expiring_) {
    if (left <= kWarnedBeforeMs) {
      warned_ = true;
      expiring_(expires);
    } else {
      next = std::min(next, left - kWarnedBeforeMs);
    }
  }
  return edge_.timer.afterDelay(next * kj::MILLISECONDS).then([this] { return watch(); });
}

void Entitlement::end(const Error& error) {
  if (!ended_.fulfiller->isWaiting()) return;
  ++edge_.counters.tokens_ended;
  ended_.fulfiller->fulfill(Error(error));
}

}  // namespace carillon::actors
