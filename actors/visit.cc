#include "actors/visit.h"

#include <algorithm>
#include <utility>

namespace carillon::actors {
namespace {

constexpr std::chrono::milliseconds kConnectAgainAfter{1'000};
constexpr std::uint64_t kSharesOfRoom = 8;

}  // namespace

template <class Use>
void Visit::for_each(Use&& use) {
  const auto use_of = [&](const access::Quotas::Place& place, EdgeCounters::Limited& limited) {
    place.with_usage([&](access::Quotas::Usage& usage) { use(usage, limited); });
  };
  if (unlimited_) return;
  if (address_) use_of(*address_, edge_.counters.limited_by_address);
  if (subject_) use_of(*subject_, edge_.counters.limited_by_subject);
}

bool Visit::begin(kj::AsyncIoStream& stream) {
  if (!edge_.node.addresses.limits().any()) return true;
  sockaddr_storage from{};
  kj::uint size = sizeof from;
  const auto gone = kj::runCatchingExceptions([&] { stream.getpeername(reinterpret_cast<sockaddr*>(&from), &size); });
  if (gone != nullptr) return false;
  const auto address = access::IpAddress::of(from);
  if (!address || edge_.edge_limits.unlimited_addresses.contain(*address)) return true;
  address_ = edge_.node.addresses.enter(address->counted_as());
  if (!address_) ++edge_.counters.limited_by_address.connections;
  return address_.has_value();
}

bool Visit::counts_bytes() const {
  return (address_ && edge_.edge_limits.per_address.bytes_per_second > 0) ||
         (!edge_.gatekeeper.open() && edge_.edge_limits.per_subject.bytes_per_second > 0);
}

// What it keeps goes with it.
Result<void> Visit::enter(const access::Rights& rights) {
  const auto kept = kept_;
  (void)keep(0);
  auto entered = become(rights);
  (void)keep(kept);
  return entered;
}

Result<void> Visit::become(const access::Rights& rights) {
  unlimited_ = rights.unlimited();
  if (unlimited_ || rights.subject().empty() || !edge_.node.subjects.limits().any()) {
    subject_.reset();
    return {};
  }
  if (subject_ && subject_name_ == rights.subject()) return {};
  subject_ = edge_.node.subjects.enter(rights.subject());
  subject_name_ = rights.subject();
  if (subject_) return {};
  ++edge_.counters.limited_by_subject.connections;
  return Error{.code = ErrorCode::LIMIT_EXCEEDED,
               .message = subject_name_ + " has " + std::to_string(edge_.node.subjects.limits().connections_max) +
                          " connections to this node already; close one",
               .retry_after = kConnectAgainAfter};
}

std::optional<Error> Visit::refusal_of(std::uint32_t events, std::uint32_t counted) {
  const auto now = Clock::now();
  Clock::duration longest{0};
  for_each([&](access::Quotas::Usage& usage, EdgeCounters::Limited& limited) {
    const auto wait = usage.events.wait_for(events, now, counted);
    if (wait.count() > 0) ++limited.requests;
    longest = std::max(longest, wait);
  });
  if (longest.count() == 0) return std::nullopt;
  return Error{.code = ErrorCode::OVERLOADED,
               .message = (subject_ ? subject_name_ : std::string("this address")) +
                          " publishes and asks for more than it may in a second; wait, then begin again here",
               .retry_after = std::chrono::ceil<std::chrono::milliseconds>(longest)};
}

void Visit::published(std::uint32_t events) {
  const auto now = Clock::now();
  for_each([&](access::Quotas::Usage& usage, EdgeCounters::Limited&) { usage.events.take(events, now); });
}

std::optional<Error> Visit::request() {
  auto refusal = refusal_of(1);
  if (!refusal) published(1);
  return refusal;
}

bool Visit::keep(std::uint64_t bytes) {
  if (bytes == kept_) return true;
  const auto more = bytes - std::exchange(kept_, bytes);  // Modulo 2^64, as counters wrap.
  const auto room = edge_.edge_limits.node_receiving_bytes_max;
  bool fits = (edge_.node.receiving_bytes += more) <= room;
  for_each([&](access::Quotas::Usage& usage, EdgeCounters::Limited& limited) {
    usage.bytes_kept += more;
    const bool is_too_much = usage.bytes_kept > room / kSharesOfRoom;
    if (is_too_much && bytes > 0) ++limited.requests;
    fits = fits && !is_too_much;
  });
  return fits || bytes == 0;
}

Clock::duration Visit::owed() {
  Clock::duration longest{0};
  for_each([&](access::Quotas::Usage& usage, EdgeCounters::Limited&) {
    longest = std::max(longest, usage.bytes.owed(Clock::now()));
  });
  return longest;
}

Clock::duration Visit::received(std::size_t bytes) {
  Clock::duration longest{0};
  const auto now = Clock::now();
  for_each([&](access::Quotas::Usage& usage, EdgeCounters::Limited& limited) {
    usage.bytes.take(bytes, now);
    const auto owed = usage.bytes.owed(now);
    if (owed.count() > 0) ++limited.reads;
    longest = std::max(longest, owed);
  });
  return longest;
}

}  // namespace carillon::actors
