#include "actors/guarded_stream.h"

#include <kj/debug.h>

#include <algorithm>
#include <string_view>

namespace carillon::actors {
namespace {

constexpr std::size_t kDrainBytes = 4'096;
// KJ calls itself for each control frame that it has read already, of 6 bytes or more; the stack has to hold that.
constexpr std::size_t kReadAtOnceMax = 4'096;
constexpr std::uint64_t kPongsOwedMax = 1'024;
constexpr kj::byte kPongBegins = 0x8a;

}  // namespace

bool GuardedStream::guard(std::uint64_t message_bytes_max) {
  if (requests_.headers() != requests_begun_ || !requests_.ends_with_header()) return false;
  guard_.emplace(message_bytes_max);
  frame_at_ = Clock::now();
  return true;
}

kj::Promise<std::size_t> GuardedStream::tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) {
  if (!guard_)
    return inner_->tryRead(buffer, bytes_min, bytes_max).then([this, buffer](std::size_t bytes) {
      came({static_cast<const char*>(buffer), bytes});
      return bytes;
    });
  return read_on(static_cast<char*>(buffer), bytes_min, std::max(bytes_min, std::min(bytes_max, kReadAtOnceMax)), 0);
}

// KJ waits for all of a message, which is looked at as it comes: `had` of it has.
kj::Promise<std::size_t> GuardedStream::read_on(char* buffer, std::size_t bytes_min, std::size_t bytes_max,
                                                std::size_t had) {
  return inner_->tryRead(buffer + had, 1, bytes_max - had)
      .then([this, buffer, bytes_min, bytes_max, had](std::size_t bytes) -> kj::Promise<std::size_t> {
        came({buffer + had, bytes});
        if (bytes == 0 || had + bytes >= bytes_min) return had + bytes;
        return read_on(buffer, bytes_min, bytes_max, had + bytes);
      });
}

void GuardedStream::came(std::string_view bytes) {
  if (!guard_) {
    if (!requests_.take(bytes))
      kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "nobody knows where the client's request ends"));
    return;
  }
  frames_came(bytes);
}

void GuardedStream::frames_came(std::string_view bytes) {
  const auto frames = guard_->frames(), pings = guard_->pings();
  const auto verdict = guard_->take(bytes);
  if (guard_->frames() > frames) frame_at_ = Clock::now();
  pongs_owed_ += guard_->pings() - pings;
  const auto message_bytes = guard_->message_bytes();
  if (message_bytes == 0)
    message_begun_at_.reset();
  else if (!message_begun_at_)
    message_begun_at_ = Clock::now();
  const bool has_room = visit_.keep(message_bytes);
  if (verdict == FrameGuard::Verdict::kNoFrames)
    trouble_ = Trouble::kNoFrames;
  else if (verdict == FrameGuard::Verdict::kTooBig)
    trouble_ = Trouble::kTooBig;
  else if (!has_room || pongs_owed_ > kPongsOwedMax)
    trouble_ = Trouble::kNoRoom;
  if (trouble_ != Trouble::kNone) kj::throwFatalException(KJ_EXCEPTION(FAILED, "a WebSocket's client broke the rules"));
}

kj::Promise<void> GuardedStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  auto written = inner_->write(pieces);
  if (!guard_) return written;
  // A message is written when no pong is owed any more, and while it is KJ keeps only the last one.
  if (pieces[0][0] != kPongBegins) return pongs_owed_ = 0, kj::mv(written);
  return written.then([this] { pongs_owed_ -= std::min<std::uint64_t>(pongs_owed_, 1); });
}

kj::Promise<void> GuardedStream::drain() {
  auto buffer = kj::heapArray<kj::byte>(kDrainBytes);
  auto into = buffer.begin();
  return inner_->tryRead(into, 1, kDrainBytes)
      .attach(kj::mv(buffer))
      .then([this](std::size_t bytes) -> kj::Promise<void> {
        if (bytes == 0) return kj::READY_NOW;
        return drain();
      });
}

}  // namespace carillon::actors
