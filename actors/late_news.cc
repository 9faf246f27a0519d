#include "actors/late_news.h"

#include <algorithm>
#include <utility>

#include "actors/edge.h"
#include "actors/session.h"

namespace carillon::actors {

void LateNews::merge(Sessions& into, runtime::SessionId session, const Follows& follows) {
  auto& known = into[session];
  for (const auto& [follow, last] : follows) known[follow] = std::max(known[follow], last);
}

void LateNews::add(const std::vector<SessionHost::News>& news) {
  auto all = take();
  if (!all) all = std::make_unique<Sessions>();
  for (const auto& [session, deliveries] : news)
    for (const auto& delivery : deliveries) merge(*all, session, {{delivery.follow, delivery.events.last()}});
  put(std::move(all));
}

// What comes once a job has begun waits for another one, behind all that came in between.
void LateNews::put(std::unique_ptr<Sessions> news) {
  for (Sessions* none = nullptr; !waiting_.compare_exchange_strong(none, news.get()); none = nullptr)
    if (const auto other = take())
      for (const auto& [session, follows] : *other) merge(*news, session, follows);
  (void)news.release();
  if (is_job_queued_.exchange(true)) return;
  inbox_->push_steps([self = shared_from_this(), taken = std::shared_ptr<Sessions>()]() mutable {
    if (!taken) {
      self->is_job_queued_ = false;  // Before it looks: who puts something there later queues another one.
      taken = self->take();
    }
    if (!taken || taken->empty()) return false;
    const auto next = taken->extract(taken->begin());
    self->tell(next.key(), next.mapped());
    return !taken->empty();
  });
}

void LateNews::tell(runtime::SessionId session, const Follows& follows) {
  auto* const told = edge_.session(session);
  if (told == nullptr) return;
  Follows not_begun;
  for (const auto& [follow, last] : follows)
    if (!told->reaches(follow, last)) not_begun.emplace(follow, last);
  if (not_begun.empty()) return;
  // What they begin with is behind this job in the inbox.
  auto all = take();
  if (!all) all = std::make_unique<Sessions>();
  merge(*all, session, not_begun);
  put(std::move(all));
}

}  // namespace carillon::actors
