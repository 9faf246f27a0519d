// A session: one actor per subscriber connection. Feeds what it follows to the connection, in order, within a credit.
//
// The connection's thread takes batches and says when the client has taken them in; until then their bytes count
// against `credit_bytes`. Without credit nothing is kept: the session reads from disk when there is room again (P7).
#pragma once

#include <caf/all.hpp>

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "actors/messages.h"
#include "runtime/subscription.h"

namespace carillon::actors {

// Consecutive events for the client, by the place of the entity in its list.
struct SessionDelivery {
  std::uint32_t follow = 0;
  runtime::EventSlice events;
};
struct SessionBatch {
  std::vector<SessionDelivery> deliveries;
  std::size_t bytes = 0;
  Clock::time_point committed;  // When the first of them became durable; unset for what came from disk.
};

struct SessionOptions {
  runtime::SessionId id = 0;
  Partitions partitions;
  std::size_t credit_bytes = 1024 * 1024;
  std::size_t reads_max = 4;  // Pages that are being read at the same time.
  runtime::PageLimits page{256, 128 * 1024};

  // Called by the actor; they pass on to the connection's thread.
  std::function<void(SessionBatch)> deliver;
  std::function<void(std::uint32_t follow, const Error&)> ended;
  std::function<void(std::vector<runtime::ItemRefusal>)> following;  // All follows are answered; these were refused.
  std::function<void(runtime::Published)> answer;                    // To publish calls, straight from partitions.
};

struct SessionState {
  struct Follow {
    EntityId entity;
    Offset from = 1;
    bool answered = false;
    std::optional<runtime::Subscription> subscription;  // Once the partition has answered, if it is served.
    bool queued = false;                                // In `lagging`.
  };
  std::optional<SessionOptions> options;
  std::vector<Follow> follows;
  std::size_t unanswered = 0;
  std::vector<runtime::ItemRefusal> refusals;
  std::deque<std::uint32_t> lagging;  // Follows that want a page, in turn.
  std::size_t reads = 0;
  std::size_t bytes_under_way = 0;
};

caf::behavior session(caf::stateful_actor<SessionState>* self, SessionOptions options);

}  // namespace carillon::actors
