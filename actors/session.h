// A session: one actor per subscriber connection. Feeds what it follows to the connection, in order, within a credit.
// Follows come and go while it lives; each has a number, which the connection chooses and uses once.
//
// The connection's thread takes batches and says when the client has taken them in; until then their bytes count
// against `credit_bytes`. Without credit nothing is kept: the session reads from disk when there is room again (P7).
#pragma once

#include <caf/all.hpp>

#include <functional>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/messages.h"
#include "runtime/subscription.h"

namespace carillon::actors {

// Consecutive events for the client, by the follow's number.
struct SessionDelivery {
  std::uint32_t follow = 0;
  runtime::EventSlice events;
};
struct SessionBatch {
  std::vector<SessionDelivery> deliveries;
  std::size_t bytes = 0;
  Clock::time_point committed;  // When the first of them became durable; unset for what came from disk.
  ReadingTurn turn;             // Of what came from disk: to be given up when the connection has begun to write it.
};

// Where a follow stands when it begins.
struct FollowBegun {
  Offset next = 1;  // What comes first.
  Offset last = 0;  // The mailbox's last offset now.
};

struct SessionOptions {
  runtime::SessionId id = 0;
  Partitions partitions;
  caf::actor reading_turns;  // Not needed by those who follow nothing.
  std::size_t credit_bytes = 1024 * 1024;
  std::size_t reads_max = 4;  // Pages that are being read, or wait for their turn, at the same time.
  runtime::PageLimits page{256, 128 * 1024};

  // Called by the actor; they pass on to the connection's thread.
  std::function<void(SessionBatch)> deliver;
  std::function<void(std::uint32_t follow, Result<FollowBegun>)> begun;  // Once for each, before its first delivery.
  std::function<void(std::uint32_t follow, const Error&)> ended;         // Of its own accord; it had begun.
  std::function<void(runtime::Published)> answer;                        // To publish calls, straight from partitions.
};

struct SessionState {
  struct Follow {
    EntityId entity;
    FollowStart start;
    std::optional<runtime::Subscription> subscription;  // Once it has begun.
    bool queued = false;                                // In `lagging`.
  };
  std::optional<SessionOptions> options;
  std::unordered_map<std::uint32_t, Follow> follows;
  std::list<std::uint32_t> lagging;  // Follows that want a page, in turn; one that has ended meanwhile is passed over.
  std::size_t reads = 0;
  std::size_t bytes_under_way = 0;
};

caf::behavior session(caf::stateful_actor<SessionState>* self, SessionOptions options);

}  // namespace carillon::actors
