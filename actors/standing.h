// What a node may answer for a partition just now. Written by its replica, read by its route and by links, without waiting.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "actors/latency.h"
#include "messages/result.h"

namespace carillon::actors {

struct Standing {
  // Until then every member of the in-sync set has promised not to take over: what is read here is the latest there is.
  std::atomic<Clock::rep> read_lease_until{0};
  // Enough members are in sync for a commit to be worth the name.
  std::atomic<bool> may_publish{false};

  bool may_read() const {
    return Clock::now().time_since_epoch().count() < read_lease_until.load(std::memory_order_relaxed);
  }
};

inline Error too_few_in_sync() {
  return {ErrorCode::UNAVAILABLE, "too few replicas of the partition are in sync to accept anything; try again soon"};
}

using Standings = std::shared_ptr<const std::vector<std::unique_ptr<Standing>>>;  // By partition number.

}  // namespace carillon::actors
