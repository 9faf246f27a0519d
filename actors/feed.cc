#include "actors/feed.h"

#include <iterator>

namespace carillon::actors {
namespace {

constexpr std::chrono::milliseconds kSlow{50};
// What one message to the client has, or is going to have with one batch more.
constexpr std::size_t kMessageBytesMax = 2u << 20;

// A slice keeps the whole commit in memory that its events came with; a copy keeps only them.
runtime::EventSlice copy_of(const runtime::EventSlice& slice) {
  EventRun run{slice.first, {}};
  run.events.reserve(slice.events.size());
  for (const auto* event : slice.events) run.events.push_back(*event);
  return runtime::slice_of(std::move(run));
}

}  // namespace

Feed::Feed(Edge& edge, Client client, std::size_t credit_bytes, std::shared_ptr<SharedCredit> shared)
    : edge_(edge),
      client_(std::move(client)),
      credit_bytes_(credit_bytes),
      broken_promise_(nullptr),
      session_(edge, credit_bytes,
               {[this](SessionBatch batch) { deliver(std::move(batch)); },
                [this](std::uint32_t number, const Result<FollowBegun>& outcome) { begun(number, outcome); },
                [this](std::uint32_t number, const Error& error) { client_.ended(number, error); }},
               std::move(shared)) {
  auto broken = kj::newPromiseAndFulfiller<void>();
  broken_ = kj::mv(broken.fulfiller);
  broken_promise_ = kj::mv(broken.promise);
}

kj::Promise<std::vector<runtime::ItemRefusal>> Feed::start(std::vector<std::pair<EntityId, Offset>> follows) {
  if (follows.empty()) return std::vector<runtime::ItemRefusal>();
  auto answered = kj::newPromiseAndFulfiller<std::vector<runtime::ItemRefusal>>();
  start_.emplace(Start{kj::mv(answered.fulfiller), follows.size(), {}});
  std::uint32_t number = 0;
  for (auto& [entity, offset] : follows) session_.follow(number++, std::move(entity), {.offset = offset});
  return kj::mv(answered.promise);
}

void Feed::follow(std::uint32_t number, EntityId entity, FollowStart start) {
  session_.follow(number, std::move(entity), start);
}

void Feed::unfollow(std::uint32_t number) { session_.unfollow(number); }

void Feed::begun(std::uint32_t follow, const Result<FollowBegun>& outcome) {
  if (!start_) return client_.begun(follow, outcome);
  if (!outcome) start_->refusals.push_back({follow, outcome.error()});
  if (--start_->missing > 0) return;
  start_->answered->fulfill(std::move(start_->refusals));
  start_.reset();
  // Whoever waits for the answer hears it first.
  if (!waiting_.empty()) begin(kj::evalLast([this] { return pump(); }));
}

kj::Promise<void> Feed::on_broken() { return kj::mv(broken_promise_); }

void Feed::deliver(SessionBatch batch) {
  // A slow client must not keep many commits for the few events of each that are for it (P7).
  if (pumping_ && Clock::now() - passing_since_ > kSlow)
    for (auto& delivery : batch.deliveries) delivery.events = copy_of(delivery.events);
  waiting_.push_back(std::move(batch));
  if (!start_ && !pumping_) return begin(pump());
  waiting_.back().turn.reset();  // It waits for its own client; others need not.
}

void Feed::begin(kj::Promise<void> pumping) {
  pumping_ = true;
  pump_ = pumping.eagerlyEvaluate([this](kj::Exception&& lost) { broken_->reject(kj::mv(lost)); });
}

kj::Promise<void> Feed::pump() {
  if (waiting_.empty()) {
    pumping_ = false;
    return kj::READY_NOW;
  }
  // What waits goes in one message, unless that would be too long.
  std::size_t bytes = 0;
  auto end = waiting_.begin();
  std::vector<runtime::Delivery> passing;
  const auto now = passing_since_ = Clock::now();
  for (; end != waiting_.end() && bytes < kMessageBytesMax; ++end) {
    bytes += end->bytes;
    for (auto& delivery : end->deliveries) {
      const auto count = delivery.events.events.size();
      edge_.counters.delivered += count;
      if (end->committed != Clock::time_point()) edge_.counters.deliver.add(now - end->committed, count);
      passing.push_back(std::move(delivery));
    }
  }
  // Their turns end with this call, when the client's bytes are made.
  const std::vector<SessionBatch> passed(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return client_.pass_on(passing).then([this, bytes] {
    // In large pieces, so that a reader who lags gets large pages; all of it when nothing waits, for others may want the room.
    taken_bytes_ += bytes;
    if (taken_bytes_ >= credit_bytes_ / 4 || waiting_.empty()) session_.taken(std::exchange(taken_bytes_, 0));
    return pump();
  });
}

}  // namespace carillon::actors
