// Who keeps sessions: a thread of the gateway, or the link to another node. What partitions and routes have for sessions goes
// there, all that one commit has for the sessions of one host in one call.
#pragma once

#include <vector>

#include "actors/latency.h"
#include "runtime/partition.h"

namespace carillon::actors {

// The answer to who asked to follow an entity.
struct Following {
  std::uint32_t follow = 0;
  Result<runtime::Extent> extent;
};

// Any thread; nothing blocks. What one actor says is heard in that order. A session that is gone is no error.
class SessionHost {
 public:
  // What was committed just now of that which a session follows.
  struct News {
    runtime::SessionId session = 0;
    std::vector<runtime::Delivery> deliveries;
  };

  virtual ~SessionHost() = default;
  virtual void published(runtime::Published answer) = 0;
  virtual void following(runtime::SessionId session, Following answer) = 0;
  virtual void committed(std::vector<News> news, Clock::time_point at) = 0;
  // What the session follows of this partition has to be followed anew.
  virtual void reloaded(runtime::SessionId session, PartitionId partition) = 0;
};

}  // namespace carillon::actors
