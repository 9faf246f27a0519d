// What a gateway thread comes to too late: in place of events, how far the mailboxes of its follows reach, which then read from disk.
// So what waits is bounded by what is followed, however much is committed (P7).
//
// Held by shared pointers, since the inbox refers to it. The lock is held while news is noted or taken, never while anybody is told.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "actors/inbox.h"
#include "actors/session_host.h"

namespace carillon::actors {

class Edge;

class LateNews : public std::enable_shared_from_this<LateNews> {
 public:
  // `edge` is used on its own thread only, for as long as `inbox` is run.
  LateNews(Edge& edge, std::shared_ptr<Inbox> inbox) : edge_(edge), inbox_(std::move(inbox)) {}

  // Any thread.
  void add(const std::vector<SessionHost::News>& news);

 private:
  using Follows = std::map<std::uint32_t, Offset>;  // By number: up to where they reach.
  using Sessions = std::unordered_map<runtime::SessionId, Follows>;

  void note(runtime::SessionId session, std::uint32_t follow, Offset last);
  Sessions take();
  void tell(runtime::SessionId session, const Follows& follows);

  Edge& edge_;
  const std::shared_ptr<Inbox> inbox_;
  std::mutex mutex_;
  Sessions sessions_;  // Guarded. Not empty: a job that takes them waits in the inbox.
};

}  // namespace carillon::actors
