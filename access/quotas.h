// What everybody of a kind may use of a node at a time: each address, or each subject of tokens (P7, P9).
//
// Pure: the time is given. Any thread. Remembers who has a connection, and of the others those who had one last, up to a limit;
// who is forgotten begins anew. All Places must be gone before their Quotas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
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
    std::uint64_t bytes_kept = 0;  // Of messages that are begun and not complete.
    Allowance events, bytes;
  };

  // A connection, as long as it lives.
  class Place {
   public:
    Place(Place&& other) noexcept : quotas_(other.quotas_), usage_(std::exchange(other.usage_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(quotas_, other.quotas_);
      std::swap(usage_, other.usage_);
      return *this;
    }
    ~Place() {
      if (usage_ == nullptr) return;
      const std::lock_guard lock(quotas_->mutex_);
      --usage_->connections;
    }

    // What `look` makes of what is used; nobody else looks meanwhile.
    template <class Look>
    auto with_usage(Look&& look) const {
      const std::lock_guard lock(quotas_->mutex_);
      return look(*usage_);
    }

   private:
    friend class Quotas;
    Place(Quotas& quotas, Usage& usage) : quotas_(&quotas), usage_(&usage) { ++usage.connections; }

    Quotas* quotas_;
    Usage* usage_;  // Null once it was moved from.
  };

  explicit Quotas(const QuotaLimits& limits, std::size_t remembered_max = kRememberedMax)
      : limits_(limits), usages_(remembered_max) {}

  const QuotaLimits& limits() const { return limits_; }
  // Nothing when `who` has as many connections as they may.
  std::optional<Place> enter(const std::string& who) {
    const std::lock_guard lock(mutex_);
    auto* usage = usages_.find(who);
    if (usage == nullptr) usage = &usages_.insert(who, Usage(limits_));
    if (limits_.connections_max > 0 && usage->connections >= limits_.connections_max) return std::nullopt;
    return Place(*this, *usage);
  }
  std::size_t remembered() const {
    const std::lock_guard lock(mutex_);
    return usages_.size();
  }

 private:
  const QuotaLimits limits_;
  mutable std::mutex mutex_;  // Of all that follows, and of what it holds.
  runtime::LruCache<std::string, Usage> usages_;
};

}  // namespace carillon::access
