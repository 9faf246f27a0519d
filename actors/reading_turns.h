// Who may read history from disk for a follower now: a few pages of each partition at a time, in the order in which they were
// asked for, so that a thousand clients that catch up at once do not stand before what is live (P7).
//
// One actor for all sessions of a gateway. A turn lasts from the reading of a page until the connection has begun to write it.
#pragma once

#include <caf/all.hpp>

#include <deque>
#include <functional>
#include <vector>

#include "actors/messages.h"

namespace carillon::actors {

inline constexpr std::size_t kTurnsOfPartition = 2;

struct ReadingTurnsState {
  struct Partition {
    std::size_t taken = 0;
    std::deque<std::function<void(ReadingTurn)>> waiting;  // At most SessionOptions::reads_max of each session.
  };
  std::vector<Partition> partitions;
};

caf::behavior reading_turns(caf::stateful_actor<ReadingTurnsState>* self, std::size_t partitions);

}  // namespace carillon::actors
