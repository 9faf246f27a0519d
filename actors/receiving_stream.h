// A native connection, as far as its messages come in pieces: what has begun to come counts as what the node has room for, and is
// complete within a time (P7). Belongs to its gateway thread.
//
// Cap'n Proto takes memory for a whole message when it knows its length, and asks for all of it in one read; so a read that is not
// satisfied at once is a message that has begun.
#pragma once

#include <kj/timer.h>

#include <algorithm>

#include "actors/passing_stream.h"
#include "actors/visit.h"

namespace carillon::actors {

class ReceivingStream final : public PassingStream {
 public:
  // `visit` outlives the stream.
  ReceivingStream(kj::Own<kj::AsyncIoStream> inner, Visit& visit, kj::Timer& timer, kj::Duration message_within)
      : PassingStream(kj::mv(inner)), visit_(visit), timer_(timer), message_within_(message_within) {}

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    return inner_->tryRead(buffer, std::min<std::size_t>(bytes_min, 1), bytes_max)
        .then([this, buffer, bytes_min, bytes_max](std::size_t came) -> kj::Promise<std::size_t> {
          if (came == 0 || came >= bytes_min) return came;
          return timer_.timeoutAfter(message_within_, read_on(static_cast<char*>(buffer), bytes_min, bytes_max, came));
        });
  }

 private:
  // Linux gives memory in pieces of so much, where it is asked to (cli/huge_pages.h).
  static constexpr std::size_t kPageBytes = 2u << 20;

  kj::Promise<std::size_t> read_on(char* buffer, std::size_t bytes_min, std::size_t bytes_max, std::size_t had) {
    if (!visit_.keep(std::min(bytes_min, had + kPageBytes)))
      return KJ_EXCEPTION(OVERLOADED, "too much is being sent at once, on this connection and others");
    return inner_->tryRead(buffer + had, 1, bytes_max - had)
        .then([this, buffer, bytes_min, bytes_max, had](std::size_t came) -> kj::Promise<std::size_t> {
          const auto has = had + came;
          if (came > 0 && has < bytes_min) return read_on(buffer, bytes_min, bytes_max, has);
          (void)visit_.keep(0);
          return has;
        });
  }

  Visit& visit_;
  kj::Timer& timer_;
  const kj::Duration message_within_;
};

}  // namespace carillon::actors
