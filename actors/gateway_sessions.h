// The sessions of one gateway thread, as partitions and routes reach them.
#pragma once

#include <memory>

#include "actors/inbox.h"
#include "actors/session_host.h"

namespace carillon::actors {

class Edge;

class GatewaySessions final : public SessionHost {
 public:
  // `edge` is used on its own thread only, for as long as `inbox` is run.
  GatewaySessions(Edge& edge, std::shared_ptr<Inbox> inbox) : edge_(edge), inbox_(std::move(inbox)) {}

  void published(runtime::Published answer) override;
  void following(runtime::SessionId session, Following answer) override;
  void committed(std::vector<News> news, Clock::time_point at) override;
  void reloaded(runtime::SessionId session, PartitionId partition) override;

 private:
  Edge& edge_;
  const std::shared_ptr<Inbox> inbox_;
};

}  // namespace carillon::actors
