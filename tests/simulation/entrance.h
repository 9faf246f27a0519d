// What clients, their sessions and operators need of a node, be it alone or one of a cluster.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "messages/result.h"
#include "runtime/mailbox.h"
#include "runtime/partition.h"

namespace carillon::simulation {

class Gateway;
class Session;

class Entrance {
 public:
  Entrance() = default;
  virtual ~Entrance() = default;
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;

  virtual Gateway& gateway() = 0;
  virtual PartitionId partition_of(const EntityId& entity) const = 0;

  // From the gateway, which was told that the way to `partition` is in its `life`. Answered by Gateway::answered, or by
  // Gateway::reloaded with a later life.
  virtual void publish(PartitionId partition, runtime::PublishRequest request, std::uint64_t life) = 0;

  virtual void open_session(std::shared_ptr<Session> session) = 0;
  virtual void close_session(runtime::SessionId session) = 0;
  // Answered by Session::following.
  virtual void follow(const EntityId& entity, runtime::Follower follower) = 0;
  virtual void read_page(const EntityId& entity, Offset from, std::function<void(Result<EventRun>)> answer) = 0;

  using ListAnswer = std::function<void(std::vector<runtime::DeadLetterEntry>)>;
  // No answer when nobody knows.
  virtual void list_dead_letters(PartitionId partition, ListAnswer answer) = 0;
  // An error when nobody knows whether it was done.
  using OperationAnswer = std::function<void(Result<Offset>)>;
  virtual void operate(const EntityId& entity, Offset offset, bool redrive, OperationAnswer answer) = 0;
};

// Where a client connects next; null when there is no node just now.
using FindEntrance = std::function<Entrance*()>;

}  // namespace carillon::simulation
