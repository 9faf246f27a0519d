// What everybody of a kind may use of a node at a time: each address, or each subject of tokens (P7, P9).
//
// Pure: the time is given. Remembers who has a connection, and of the others those who had one last, up to a limit; who is
// forgotten begins anew. All Places must be gone before their Quotas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "access/allowance.h"
#include "runtime/lru_cache.h"

namespace carillon::access {

// Of one of them, on all their connections together. 0: no limit.
struct QuotaLimits {
  std::uint64_t connections_max = 0;
  std::uint64_t events_per_second = 0;  // Published; another request counts as one.
  std::uint64_t bytes_per_second = 0;   // Taken in.

  bool any() const { return connections_max > 0 || events_per_second > 0 || bytes_per_second > 0; }
};

class Quotas {
 public:
  static constexpr std::size_t kRememberedMax = 16'384;

  struct Usage {
    explicit Usage(const QuotaLimits& limits) : events(limits.events_per_second), bytes(limits.bytes_per_second) {}
    bool in_use() const { return connections > 0; }

    std::uint64_t connections = 0;
    Allowance events, bytes;
  };

  // A connection, as long as it lives.
  class Place {
   public:
    explicit Place(Usage& usage) : usage_(&usage) { ++usage.connections; }
    Place(Place&& other) noexcept : usage_(std::exchange(other.usage_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(usage_, other.usage_);
      return *this;
    }
    ~Place() {
      if (usage_ != nullptr) --usage_->connections;
    }

    Usage& usage() const { return *usage_; }

   private:
    Usage* usage_;  // Null once it was moved from.
  };

  explicit Quotas(const QuotaLimits& limits, std::size_t remembered_max = kRememberedMax)
      : limits_(limits), usages_(remembered_max) {}

  const QuotaLimits& limits() const { return limits_; }
  // Nothing when `who` has as many connections as they may.
  std::optional<Place> enter(const std::string& who) {
    auto* usage = usages_.find(who);
    if (usage == nullptr) usage = &usages_.insert(who, Usage(limits_));
    if (limits_.connections_max > 0 && usage->connections >= limits_.connections_max) return std::nullopt;
    return Place(*usage);
  }
  std::size_t remembered() const { return usages_.size(); }

 private:
  QuotaLimits limits_;
  runtime::LruCache<std::string, Usage> usages_;
};

}  // namespace carillon::access
