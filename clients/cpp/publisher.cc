#include "clients/cpp/publisher.h"

#include <algorithm>
#include <exception>
#include <random>

namespace carillon::client {
namespace {

constexpr std::chrono::milliseconds kSilence{1'000};
constexpr std::chrono::milliseconds kLookEvery{50};

}  // namespace

Publisher::Publisher(kj::Network& network, kj::Timer& timer, Options options, Callbacks callbacks)
    : network_(network),
      timer_(timer),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      outbox_(options_.limits),
      attempts_(options_.addresses, options_.reconnect, std::random_device()()),
      progress_(timer.now()),
      tasks_(*this) {
  tasks_.add(kj::evalLater([this] { return live(); }));
}

Publisher::~Publisher() = default;

bool Publisher::offer(const Publication& publication) {
  if (publication.entity.size() + publication.type.size() + publication.payload.size() > kEventBytesMax) {
    ++figures_.refused;
    if (callbacks_.refused)
      callbacks_.refused(publication.sequence,
                         {ErrorCode::PAYLOAD_TOO_LARGE, "the event has more than 8 MiB; no node takes that much"});
    return true;
  }
  if (!outbox_.offer(publication)) return false;
  flush_soon();
  return true;
}

kj::Promise<void> Publisher::has_room() {
  auto pair = kj::newPromiseAndFulfiller<void>();
  room_ = kj::mv(pair.fulfiller);
  return kj::mv(pair.promise);
}

kj::Promise<void> Publisher::is_done() {
  if (done()) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  done_ = kj::mv(pair.fulfiller);
  return kj::mv(pair.promise);
}

kj::Promise<void> Publisher::live() {
  return Connection::connect(network_, timer_, attempts_.address(),
                             attempts_.has_others() ? attempts_.patience() : Connection::kConnectWithin,
                             options_.credentials)
      .then([this](Result<kj::Own<Connection>> connected) -> kj::Promise<void> {
        if (!connected.ok()) return live_again(connected.error());
        connection_ = kj::mv(*connected);
        ++life_;
        ++figures_.connections;
        if (callbacks_.connected) callbacks_.connected();
        flush();
        return gone().then([this] {
          const Error error = connection_->alive()
                                  ? Error{ErrorCode::UNAVAILABLE, attempts_.address().text() + " gets nothing done"}
                                  : connection_->lost_because();
          connection_ = nullptr;
          ++life_;
          outbox_.disconnected();
          unavailable_.reset();
          return live_again(error);
        });
      });
}

kj::Promise<void> Publisher::live_again(const Error& error) {
  if (callbacks_.disconnected) callbacks_.disconnected(error);
  return timer_.afterDelay(attempts_.failed().count() * kj::MILLISECONDS).then([this] { return live(); });
}

// Resolves when the connection is of no more use.
kj::Promise<void> Publisher::gone() {
  auto lost = connection_->lost();
  if (!attempts_.has_others()) return lost;
  progress_ = timer_.now();
  return lost.exclusiveJoin(connection_->silent(timer_, kSilence)).exclusiveJoin(stuck());
}

kj::Promise<void> Publisher::stuck() {
  return timer_.afterDelay(kLookEvery.count() * kj::MILLISECONDS).then([this]() -> kj::Promise<void> {
    if (outbox_.empty()) progress_ = timer_.now();
    if (unavailable_ && unavailable_->too_long) return kj::READY_NOW;
    if (timer_.now() - progress_ > attempts_.patience().count() * kj::MILLISECONDS) return kj::READY_NOW;
    return stuck();
  });
}

void Publisher::flush_soon() {
  if (flush_due_ || connection_.get() == nullptr || !outbox_.may_send()) return;
  flush_due_ = true;
  tasks_.add(kj::evalLast([this] {
    flush_due_ = false;
    flush();
  }));
}

void Publisher::flush() {
  if (connection_.get() == nullptr) return;
  for (;;) {
    const Outbox::Call call = outbox_.next_call();
    if (call.id == 0) return;
    tasks_.add(connection_->publish(options_.producer, call.batch)
                   .then([this, id = call.id, life = life_](Answer<wire::Gateway::PublishResults> answer) {
                     if (life == life_) answered(id, kj::mv(answer));
                   }));
  }
}

void Publisher::answered(CallId call, Answer<wire::Gateway::PublishResults> answer) {
  if (!answer.ok()) return perform(outbox_.failed(call));
  figures_.duplicates += answer->getDuplicates();
  std::vector<Outbox::Refusal> refusals;
  for (const auto refusal : answer->getRefusals())
    refusals.push_back({refusal.getIndex(), error_of(refusal), std::chrono::milliseconds(refusal.getRetryAfterMs())});
  // A node that accepts, refuses for good or is busy does its work; one that is unavailable may be cut off from the others.
  const auto unavailable = static_cast<std::size_t>(std::ranges::count_if(
      refusals, [](const Outbox::Refusal& refusal) { return refusal.error.code == ErrorCode::UNAVAILABLE; }));
  const bool works = answer->getAccepted() > 0 || refusals.size() > unavailable;
  if (works) progress_ = timer_.now();
  const auto later = std::ranges::find_if(refusals, [](const Outbox::Refusal& refusal) {
    return refusal.error.code == ErrorCode::UNAVAILABLE || refusal.error.code == ErrorCode::OVERLOADED;
  });
  if (later != refusals.end()) put_off_ = later->error;
  const auto& outcome = outbox_.answered(call, std::move(refusals));
  note_unavailable(unavailable > 0);
  if (works && !unavailable_) attempts_.succeeded();
  if (works && outcome.pause)
    progress_ = timer_.now() + outcome.pause->count() * kj::MILLISECONDS;  // It is to wait so long.
  perform(outcome);
}

// It may get some things done and never others: those behind a link that is cut.
void Publisher::note_unavailable(bool refused) {
  const auto oldest = outbox_.oldest();
  if (unavailable_ && unavailable_->oldest != oldest) unavailable_.reset();
  if (!refused || oldest == 0) return;
  const auto now = timer_.now();
  if (!unavailable_) unavailable_ = Unavailable{oldest, now};
  unavailable_->too_long = now - unavailable_->since >= attempts_.patience_with_refusals().count() * kj::MILLISECONDS;
}

void Publisher::perform(const Outbox::Outcome& outcome) {
  figures_.accepted += outcome.accepted.size();
  figures_.refused += outcome.refused.size();
  if (callbacks_.accepted && !outcome.accepted.empty()) callbacks_.accepted(outcome.accepted);
  if (callbacks_.refused)
    for (const Outbox::Refused& refused : outcome.refused) callbacks_.refused(refused.sequence, refused.error);

  const auto fulfil = [](auto& waiting) {
    KJ_IF_MAYBE (fulfiller, waiting) {
      auto taken = kj::mv(*fulfiller);
      waiting = nullptr;
      taken->fulfill();
    }
  };
  fulfil(room_);
  if (outbox_.empty()) fulfil(done_);

  if (outcome.pause) {
    ++figures_.pauses;
    tasks_.add(timer_.afterDelay(outcome.pause->count() * kj::MILLISECONDS).then([this, life = life_] {
      if (life != life_) return;
      outbox_.resume();
      flush();
    }));
  }
  flush_soon();
}

// Only a bug comes here, ours or a callback's: what the world does is a Result. To go on could lose events silently.
void Publisher::taskFailed(kj::Exception&& exception) {
  KJ_LOG(FATAL, "a publisher met a bug", exception);
  std::terminate();
}

}  // namespace carillon::client
