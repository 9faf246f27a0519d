// What a gateway thread comes to too late: in place of events, how far the mailboxes of its follows reach, which then read from disk.
// So what waits is bounded by what is followed, however much is committed (P7).
//
// Held by shared pointers, since the inbox refers to it. Nobody waits for anybody: whoever adds something takes what waits, or begins
// anew while another one has it, and puts it back together with what has come meanwhile.
#pragma once

#include <atomic>
#include <map>
#include <memory>
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
  ~LateNews() { delete waiting_.load(); }

  // Any thread.
  void add(const std::vector<SessionHost::News>& news);

 private:
  using Follows = std::map<std::uint32_t, Offset>;  // By number: up to where they reach.
  using Sessions = std::unordered_map<runtime::SessionId, Follows>;

  static void merge(Sessions& into, runtime::SessionId session, const Follows& follows);
  std::unique_ptr<Sessions> take() { return std::unique_ptr<Sessions>(waiting_.exchange(nullptr)); }
  void put(std::unique_ptr<Sessions> news);
  void tell(runtime::SessionId session, const Follows& follows);

  Edge& edge_;
  const std::shared_ptr<Inbox> inbox_;
  std::atomic<Sessions*> waiting_{nullptr};  // Owned.
  std::atomic<bool> is_job_queued_{false};   // Set: a job that takes them has not begun.
};

}  // namespace carillon::actors
