// What the threads of a gateway share. Any thread.
#pragma once

#include <caf/actor.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "access/quotas.h"
#include "runtime/partition.h"

namespace carillon::actors {

struct NodeEdge {
  NodeEdge(const access::QuotaLimits& per_address, const access::QuotaLimits& per_subject, caf::actor turns)
      : reading_turns(std::move(turns)), addresses(per_address), subjects(per_subject) {}

  const caf::actor reading_turns;  // Of all sessions.
  std::atomic<runtime::SessionId> last_session{0};
  std::atomic<std::size_t> events_under_way{0};  // Published on all connections, and not yet answered.
  std::atomic<std::size_t> bytes_under_way{0};
  // Of messages and bodies of HTTP requests that are begun and not complete.
  std::atomic<std::uint64_t> receiving_bytes{0};
  // What each uses of the node (P9).
  access::Quotas addresses, subjects;
};

}  // namespace carillon::actors
