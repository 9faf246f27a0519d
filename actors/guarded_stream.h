// A connection of the HTTP port that watches over what comes: requests, and frames once it has become a WebSocket.
// Belongs to its gateway thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "actors/frame_guard.h"
#include "actors/latency.h"
#include "actors/passing_stream.h"
#include "actors/request_guard.h"
#include "actors/visit.h"

namespace carillon::actors {

class GuardedStream final : public PassingStream {
 public:
  enum class Trouble { kNone, kNoFrames, kTooBig, kNoRoom };

  // `visit` outlives the stream.
  GuardedStream(kj::Own<kj::AsyncIoStream> inner, Visit& visit) : PassingStream(kj::mv(inner)), visit_(visit) {}

  // The next request has been read, and is being answered.
  void request_begun() { ++requests_begun_; }
  // From here on frames are expected; a read that brings something else fails, and `trouble` says why.
  // False when the client has sent something behind its request already, which it must not.
  [[nodiscard]] bool guard(std::uint64_t message_bytes_max);
  Trouble trouble() const { return trouble_; }
  // When the last frame was complete.
  Clock::time_point frame_at() const { return frame_at_; }
  // When the message that is not complete yet has begun.
  std::optional<Clock::time_point> message_begun_at() const { return message_begun_at_; }
  // Reads whatever comes, until the end of it: a socket that is closed with something unread takes back what it has sent last.
  kj::Promise<void> drain();

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override;
  using PassingStream::write;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;

 private:
  kj::Promise<std::size_t> read_on(char* buffer, std::size_t bytes_min, std::size_t bytes_max, std::size_t had);
  void came(std::string_view bytes);
  void frames_came(std::string_view bytes);

  Visit& visit_;
  RequestGuard requests_;
  std::uint64_t requests_begun_ = 0;
  std::optional<FrameGuard> guard_;
  std::uint64_t pongs_owed_ = 0;  // KJ keeps each of them until the one before it is written.
  Trouble trouble_ = Trouble::kNone;
  Clock::time_point frame_at_;
  std::optional<Clock::time_point> message_begun_at_;
};

}  // namespace carillon::actors
