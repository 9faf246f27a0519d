#include "actors/session.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

namespace carillon::actors {
namespace {

// What an event costs beside its text.
constexpr std::size_t kEventBytes = 64;

// Of one commit, or one event that has more; what it has beyond that is read from disk, page by page (P7).
constexpr std::size_t kLiveBytesMax = 1u << 20;

constexpr std::size_t kReadsMax = 4;
constexpr runtime::PageLimits kPage{256, 128 * 1024};

// What the partition had no room to read, or has not got yet, is asked for again.
constexpr auto kReadAgainAfter = 50 * kj::MILLISECONDS;

// The answer to a page that was asked for. It comes once, also when whoever was to give it ends before that.
class PageAnswer {
 public:
  explicit PageAnswer(std::function<void(Result<EventRun>)> answer) : answer_(std::move(answer)) {}
  ~PageAnswer() { give(Error{ErrorCode::OVERLOADED, "nobody has answered; ask again"}); }
  PageAnswer(const PageAnswer&) = delete;
  PageAnswer& operator=(const PageAnswer&) = delete;

  void give(Result<EventRun> page) {
    if (!given_.exchange(true)) answer_(std::move(page));
  }

 private:
  const std::function<void(Result<EventRun>)> answer_;
  std::atomic<bool> given_ = false;
};

std::size_t bytes_of(const Event& event) {
  return kEventBytes + event.payload.size() + event.type.size() + event.producer.stored().size();
}

std::size_t bytes_of(const runtime::EventSlice& events) {
  std::size_t bytes = 0;
  for (const auto* event : events.events) bytes += bytes_of(*event);
  return bytes;
}

// As many of the first events as have so many bytes together; at least one.
runtime::EventSlice first_of(const runtime::EventSlice& events, std::size_t bytes_max) {
  auto bytes = bytes_of(*events.events.front());
  std::size_t count = 1;
  while (count < events.events.size() && (bytes += bytes_of(*events.events[count])) <= bytes_max) ++count;
  return {events.first, events.events.first(count), events.owner};
}

Error beyond_end(const runtime::Extent& extent) {
  return {ErrorCode::BEYOND_END,
          "the mailbox ends at " + std::to_string(extent.last) + "; begin at most one past its end", extent.last + 1};
}

Result<Offset> first_wanted(const FollowStart& start, const runtime::Extent& extent) {
  using Kind = FollowStart::Kind;
  if (start.kind == Kind::kEnd) return extent.last + 1;
  if (start.kind == Kind::kFirst) return extent.first;
  const auto wanted = start.kind == Kind::kBehind ? std::min(start.offset, extent.last) + 1 : start.offset;
  if (wanted > extent.last + 1) return beyond_end(extent);
  if (wanted < extent.first)
    return Error{ErrorCode::TRUNCATED,
                 "retention has kept nothing before " + std::to_string(extent.first) + "; begin there", extent.first};
  return wanted;
}

}  // namespace

Session::Session(Edge& edge, std::size_t credit_bytes, Client client, std::shared_ptr<SharedCredit> shared)
    : edge_(edge), credit_bytes_(credit_bytes), client_(std::move(client)), shared_(std::move(shared)), line_(edge) {
  edge_.sessions.emplace(line_.id(), this);
}

Session::~Session() {
  edge_.sessions.erase(line_.id());
  if (waits_for_room_) shared_->cancel(*waits_for_room_);
  if (shared_) shared_->give_back(bytes_under_way_ + reads_ * kPage.bytes_max);
}

Session::Follow* Session::find(std::uint32_t number) {
  const auto found = follows_.find(number);
  return found == follows_.end() ? nullptr : &found->second;
}

// --- Following.

void Session::ask_to_follow(std::uint32_t number, const Follow& follow) {
  line_.send(partition_of(follow), FollowEntity{{line_.id(), number}, follow.entity});
}

void Session::follow(std::uint32_t number, EntityId entity, FollowStart start) {
  const auto [added, is_new] = follows_.try_emplace(number, Follow{.entity = std::move(entity), .start = start});
  if (is_new) ask_to_follow(number, added->second);
}

void Session::ask_again(std::uint32_t number, const Follow& follow) {
  line_.send(partition_of(follow), UnfollowEntity{{line_.id(), number}, follow.entity});
  ask_to_follow(number, follow);
}

// The partition forgets it as well.
void Session::unfollow(std::uint32_t number) {
  auto node = follows_.extract(number);
  if (node.empty()) return;
  const auto partition = partition_of(node.mapped());
  line_.send(partition, UnfollowEntity{{line_.id(), number}, std::move(node.mapped().entity)});
}

void Session::following(const Following& answer) {
  auto* const follow = find(answer.follow);
  if (follow == nullptr) return;  // Ended meanwhile.
  if (follow->subscription) {     // Asked again after a reload.
    if (!answer.extent) {         // It is not followed any more, so the client must not wait for it.
      unfollow(answer.follow);
      return client_.ended(answer.follow, answer.extent.error());
    }
    // An answer may be old. If it is not, a person has given up its end, to go on without disks that were lost.
    if (follow->subscription->next() > answer.extent->last + 1) {
      if (!std::exchange(follow->is_asked_again, true)) return ask_again(answer.follow, *follow);
      unfollow(answer.follow);
      return client_.ended(answer.follow, beyond_end(*answer.extent));
    }
    follow->is_asked_again = false;
    follow->subscription->reaches(answer.extent->last);
  } else {
    const auto first =
        answer.extent ? first_wanted(follow->start, *answer.extent) : Result<Offset>(answer.extent.error());
    if (!first) {
      unfollow(answer.follow);
      return client_.begun(answer.follow, first.error());
    }
    follow->subscription.emplace(*first, answer.extent->last);
    client_.begun(answer.follow, FollowBegun{*first, answer.extent->last});
  }
  if (auto* const still = find(answer.follow)) queue_if_lagging(answer.follow, *still);
  read_some();
}

void Session::reloaded(PartitionId partition) {
  for (const auto& [number, follow] : follows_)
    if (partition_of(follow) == partition) ask_to_follow(number, follow);
}

// --- What is committed now.

void Session::add(SessionBatch& batch, std::uint32_t number, runtime::EventSlice events) {
  const auto bytes = bytes_of(events);
  batch.bytes += bytes;
  bytes_under_way_ += bytes;
  if (shared_) shared_->take(bytes);
  batch.deliveries.push_back({number, std::move(events)});
}

void Session::committed(const std::vector<runtime::Delivery>& deliveries, Clock::time_point at) {
  SessionBatch batch;
  batch.committed = at;
  batch.deliveries.reserve(deliveries.size());
  for (const auto& [number, events] : deliveries) {
    auto* const follow = find(number);
    if (follow == nullptr || !follow->subscription) continue;
    const auto bytes_left = kLiveBytesMax - std::min(batch.bytes, kLiveBytesMax);
    if (auto fresh = follow->subscription->committed(first_of(events, bytes_left), has_room() && bytes_left > 0))
      add(batch, number, std::move(*fresh));
    follow->subscription->reaches(events.last());
    queue_if_lagging(number, *follow);
  }
  if (!batch.deliveries.empty()) client_.deliver(std::move(batch));
  read_some();
}

bool Session::reaches(std::uint32_t number, Offset last) {
  auto* const follow = find(number);
  if (follow == nullptr) return true;
  if (!follow->subscription) return false;
  follow->subscription->reaches(last);
  queue_if_lagging(number, *follow);
  read_some();
  return true;
}

void Session::taken(std::size_t bytes) {
  bytes_under_way_ -= bytes;
  if (shared_) shared_->give_back(bytes);
  read_some();
}

// --- What is on disk.

template <class Use>
auto Session::here(Use use) const {
  return [&edge = edge_, inbox = edge_.inbox, id = line_.id(), use = std::move(use)](auto argument) {
    inbox->push([&edge, id, use, argument = std::move(argument)]() mutable {
      if (auto* const session = edge.session(id)) use(*session, std::move(argument));
    });
  };
}

void Session::queue_if_lagging(std::uint32_t number, Follow& follow) {
  if (follow.queued || !follow.subscription || !follow.subscription->wants_page()) return;
  follow.queued = true;
  lagging_.push_back(number);
}

void Session::read_some() {
  while (has_room() && reads_ < kReadsMax && !lagging_.empty()) {
    const auto number = lagging_.front();
    lagging_.pop_front();
    auto* const follow = find(number);
    if (follow == nullptr) continue;
    follow->queued = false;
    if (!follow->subscription->wants_page()) continue;
    follow->subscription->page_wanted();
    ++reads_;
    if (shared_) shared_->take(kPage.bytes_max);
    caf::anon_send(edge_.node.reading_turns,
                   WantTurn{partition_of(*follow), here([number](Session& session, const ReadingTurn& turn) {
                              session.read_page(number, turn);
                            })});
  }
  if (!lagging_.empty()) wait_for_room();
}

void Session::wait_for_room() {
  if (waits_for_room_ || !shared_ || shared_->has_room()) return;
  waits_for_room_ = shared_->wait([this] {
    waits_for_room_.reset();
    read_some();
  });
}

void Session::end_read() {
  --reads_;
  if (shared_) shared_->give_back(kPage.bytes_max);
}

void Session::read_page(std::uint32_t number, const ReadingTurn& turn) {
  const auto* const follow = find(number);
  if (follow == nullptr) {  // Ended meanwhile.
    end_read();
    return read_some();
  }
  auto answer = std::make_shared<PageAnswer>(here(
      [number, turn](Session& session, Result<EventRun> page) { session.page_read(number, std::move(page), turn); }));
  caf::anon_send(edge_.partition_of(follow->entity),
                 ReadPage{follow->entity, follow->subscription->next(), kPage,
                          [answer = std::move(answer)](Result<EventRun> page) { answer->give(std::move(page)); }});
}

void Session::page_read(std::uint32_t number, Result<EventRun> page, ReadingTurn turn) {
  auto* const follow = find(number);
  if (follow != nullptr && !page && page.error().code == ErrorCode::OVERLOADED) return read_again_later(number);
  if (follow != nullptr && !page) {
    unfollow(number);
    client_.ended(number, page.error());
  }
  if (follow == nullptr || !page) {  // Ended, now or meanwhile.
    end_read();
    return read_some();
  }
  follow->subscription->page_read(*page);
  if (page->events.empty() && follow->subscription->wants_page()) {
    follow->subscription->page_wanted();
    return read_again_later(number);
  }
  queue_if_lagging(number, *follow);
  if (!page->events.empty()) {
    SessionBatch batch;
    add(batch, number, runtime::slice_of(std::move(*page)));
    batch.turn = std::move(turn);
    client_.deliver(std::move(batch));
  }
  end_read();
  read_some();
}

void Session::read_again_later(std::uint32_t number) {
  put_off_.push_back(number);
  if (put_off_.size() > 1) return;  // The pause has begun.
  again_ = edge_.timer.afterDelay(kReadAgainAfter)
               .then([this] {
                 for (const auto again : std::exchange(put_off_, {})) {
                   if (auto* const follow = find(again)) {
                     follow->subscription->page_read({follow->subscription->next(), {}});
                     queue_if_lagging(again, *follow);
                   }
                   end_read();
                 }
                 read_some();
               })
               .eagerlyEvaluate(nullptr);
}

}  // namespace carillon::actors
