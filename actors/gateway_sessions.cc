#include "actors/gateway_sessions.h"

#include "actors/edge.h"
#include "actors/session.h"

namespace carillon::actors {

void GatewaySessions::published(runtime::Published answer) {
  inbox_->push([&edge = edge_, answer = std::move(answer)] { edge.answered(answer); });
}

void GatewaySessions::following(runtime::SessionId session, Following answer) {
  inbox_->push([&edge = edge_, session, answer = std::move(answer)] {
    if (auto* const found = edge.session(session)) found->following(answer);
  });
}

// One session a step: ten thousand of them may follow what one commit brings.
void GatewaySessions::committed(std::vector<News> news, Clock::time_point at) {
  if (*news_waiting_ >= kNewsWaitingMax) return late_->add(news);
  *news_waiting_ += news.size();
  inbox_->push_steps(
      [&edge = edge_, waiting = news_waiting_, news = std::move(news), at, next = std::size_t{0}]() mutable {
        const auto [session, deliveries] = std::move(news[next]);
        if (auto* const found = edge.session(session)) found->committed(deliveries, at);
        --*waiting;
        return ++next < news.size();
      });
}

void GatewaySessions::reloaded(runtime::SessionId session, PartitionId partition) {
  inbox_->push([&edge = edge_, session, partition] {
    if (auto* const found = edge.session(session)) found->reloaded(partition);
  });
}

}  // namespace carillon::actors
