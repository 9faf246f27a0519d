#include "actors/late_news.h"

#include <algorithm>
#include <utility>

#include "actors/edge.h"
#include "actors/session.h"

namespace carillon::actors {

// The mutex is held. What comes once a job has taken its news waits for another one, behind all that came in between.
void LateNews::note(runtime::SessionId session, std::uint32_t follow, Offset last) {
  if (sessions_.empty())
    inbox_->push_steps([self = shared_from_this(), taken = Sessions()]() mutable {
      if (taken.empty()) taken = self->take();
      if (taken.empty()) return false;
      const auto next = taken.extract(taken.begin());
      self->tell(next.key(), next.mapped());
      return !taken.empty();
    });
  auto& reaches = sessions_[session][follow];
  reaches = std::max(reaches, last);
}

void LateNews::add(const std::vector<SessionHost::News>& news) {
  const std::lock_guard lock(mutex_);
  for (const auto& [session, deliveries] : news)
    for (const auto& delivery : deliveries) note(session, delivery.follow, delivery.events.last());
}

LateNews::Sessions LateNews::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(sessions_, {});
}

void LateNews::tell(runtime::SessionId session, const Follows& follows) {
  auto* const told = edge_.session(session);
  if (told == nullptr) return;
  for (const auto& [follow, last] : follows) {
    if (told->reaches(follow, last)) continue;
    // What it begins with is behind this job in the inbox.
    const std::lock_guard lock(mutex_);
    note(session, follow, last);
  }
}

}  // namespace carillon::actors
