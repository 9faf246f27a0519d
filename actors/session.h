// A session: feeds what one connection follows to it, in order, within a credit. Follows come and go while it lives; each has a
// number, which the connection chooses and uses once.
//
// Until the client has taken deliveries in their bytes count against `credit_bytes`, and against what the connection's sessions
// share, if they do; there also pages that are being read. Without credit nothing is kept: the session reads from disk when
// there is room again (P7). Belongs to its gateway thread (docs/decisions.md).
#pragma once

#include <kj/async.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/edge.h"
#include "actors/session_line.h"
#include "actors/shared_credit.h"
#include "runtime/subscription.h"

namespace carillon::actors {

// Where a follow begins: at that offset and nowhere else; behind that one, which somebody has read; at the first one that is kept;
// behind the end. TRUNCATED when what would come first is kept no longer.
struct FollowStart {
  enum class Kind { kAt, kBehind, kFirst, kEnd };
  Kind kind = Kind::kAt;
  Offset offset = 1;
};

// Where it stands when it begins.
struct FollowBegun {
  Offset next = 1;  // What comes first.
  Offset last = 0;  // The mailbox's last offset now.
};

struct SessionBatch {
  std::vector<runtime::Delivery> deliveries;
  std::size_t bytes = 0;
  Clock::time_point committed;  // When it became durable; unset for what came from disk.
  ReadingTurn turn;             // Of what came from disk: to be given up when the connection has begun to write it.
};

class Session {
 public:
  struct Client {
    std::function<void(SessionBatch)> deliver;
    std::function<void(std::uint32_t follow, const Result<FollowBegun>&)>
        begun;                                                      // Once for each, before its deliveries.
    std::function<void(std::uint32_t follow, const Error&)> ended;  // Of its own accord; it had begun.
  };

  Session(Edge& edge, std::size_t credit_bytes, Client client, std::shared_ptr<SharedCredit> shared = nullptr);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void follow(std::uint32_t number, EntityId entity, FollowStart start);
  void unfollow(std::uint32_t number);
  // The client has room again.
  void taken(std::size_t bytes);

  // --- From partitions, by way of the host.
  void following(const Following& answer);
  void committed(const std::vector<runtime::Delivery>& deliveries, Clock::time_point at);
  // The mailbox has events up to `last`, which are not told. False when the follow has not begun: to be said again.
  [[nodiscard]] bool reaches(std::uint32_t follow, Offset last);
  void reloaded(PartitionId partition);

 private:
  struct Follow {
    EntityId entity;
    FollowStart start;
    std::optional<runtime::Subscription> subscription{};  // Once it has begun.
    bool queued = false;                                  // In `lagging_`.
    bool is_asked_again = false;                          // Its stream seemed to end before what was passed on.
  };

  Follow* find(std::uint32_t number);
  PartitionId partition_of(const Follow& follow) const { return follow.entity.partition_of(edge_.partition_count()); }
  void ask_to_follow(std::uint32_t number, const Follow& follow);
  void ask_again(std::uint32_t number, const Follow& follow);
  bool has_room() const { return bytes_under_way_ < credit_bytes_ && (!shared_ || shared_->has_room()); }
  void add(SessionBatch& batch, std::uint32_t number, runtime::EventSlice events);
  void queue_if_lagging(std::uint32_t number, Follow& follow);

  // A function that may be called once, on any thread: `use` gets its argument on this one, unless the session is gone.
  template <class Use>
  auto here(Use use) const;
  void read_some();
  void wait_for_room();
  void end_read();
  void read_page(std::uint32_t number, const ReadingTurn& turn);
  void page_read(std::uint32_t number, Result<EventRun> page, ReadingTurn turn);
  void read_again_later(std::uint32_t number);

  Edge& edge_;
  const std::size_t credit_bytes_;
  const Client client_;
  const std::shared_ptr<SharedCredit> shared_;  // Null: the connection has one session.
  SessionLine line_;
  std::unordered_map<std::uint32_t, Follow> follows_;
  std::list<std::uint32_t> lagging_;  // Follows that want a page, in turn; one that has ended meanwhile is passed over.
  std::size_t reads_ = 0;             // Pages that are being read, or wait for their turn.
  std::size_t bytes_under_way_ = 0;
  std::optional<SharedCredit::Ticket> waits_for_room_;
  std::vector<std::uint32_t> put_off_;  // Follows whose page the partition had no room to read.
  kj::Promise<void> again_ = kj::READY_NOW;
};

}  // namespace carillon::actors
