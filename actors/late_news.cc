#include "actors/late_news.h"

#include <algorithm>

#include "actors/edge.h"
#include "actors/session.h"

namespace carillon::actors {

void LateNews::note(runtime::SessionId session, std::uint32_t follow, Offset last) {
  auto& reaches = sessions_[session][follow];
  reaches = std::max(reaches, last);
}

void LateNews::add(const std::vector<SessionHost::News>& news) {
  const std::lock_guard lock(mutex_);
  const bool is_first = sessions_.empty();
  for (const auto& [session, deliveries] : news)
    for (const auto& delivery : deliveries) note(session, delivery.follow, delivery.events.last());
  if (is_first) tell_soon();
}

void LateNews::tell_soon() {
  inbox_->push_steps([self = shared_from_this()] { return self->tell_one(); });
}

// Whether there are more.
bool LateNews::tell_one() {
  std::unique_lock lock(mutex_);
  if (sessions_.empty()) return false;
  const auto news = sessions_.extract(sessions_.begin());
  lock.unlock();
  Follows not_begun;
  if (auto* const session = edge_.session(news.key()))
    for (const auto& [follow, last] : news.mapped())
      if (!session->reaches(follow, last)) not_begun.emplace(follow, last);
  lock.lock();
  if (not_begun.empty()) return !sessions_.empty();
  // What they begin with is behind this job in the inbox.
  for (const auto& [follow, last] : not_begun) note(news.key(), follow, last);
  tell_soon();
  return false;
}

}  // namespace carillon::actors
