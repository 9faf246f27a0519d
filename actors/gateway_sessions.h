// The sessions of one gateway thread, as partitions and routes reach them.
#pragma once

#include <atomic>
#include <memory>

#include "actors/inbox.h"
#include "actors/late_news.h"
#include "actors/session_host.h"

namespace carillon::actors {

class Edge;

class GatewaySessions final : public SessionHost {
 public:
  // News of sessions that may wait for the thread; what comes beyond is late (LateNews).
  static constexpr std::size_t kNewsWaitingMax = 65'536;

  // `edge` is used on its own thread only, for as long as `inbox` is run.
  GatewaySessions(Edge& edge, std::shared_ptr<Inbox> inbox)
      : edge_(edge), inbox_(std::move(inbox)), late_(std::make_shared<LateNews>(edge, inbox_)) {}

  void published(runtime::Published answer) override;
  void following(runtime::SessionId session, Following answer) override;
  void committed(std::vector<News> news, Clock::time_point at) override;
  void reloaded(runtime::SessionId session, PartitionId partition) override;

 private:
  Edge& edge_;
  const std::shared_ptr<Inbox> inbox_;
  const std::shared_ptr<LateNews> late_;
  const std::shared_ptr<std::atomic<std::size_t>> news_waiting_ = std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace carillon::actors
