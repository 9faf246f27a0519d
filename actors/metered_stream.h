// A connection from which no more is read than its address and its subject may send (P7). Belongs to its gateway thread.
#pragma once

#include <kj/timer.h>

#include "actors/passing_stream.h"
#include "actors/visit.h"

namespace carillon::actors {

class MeteredStream final : public PassingStream {
 public:
  // `visit` outlives the stream.
  MeteredStream(kj::Own<kj::AsyncIoStream> inner, Visit& visit, kj::Timer& timer)
      : PassingStream(kj::mv(inner)), visit_(visit), timer_(timer) {}

  kj::Promise<std::size_t> read(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    return inner_->read(buffer, bytes_min, bytes_max).then([this](std::size_t bytes) { return hold_back(bytes); });
  }
  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    return inner_->tryRead(buffer, bytes_min, bytes_max).then([this](std::size_t bytes) { return hold_back(bytes); });
  }

 private:
  // What came is passed on when it is paid for: so the next read waits, and TCP slows down who sends.
  kj::Promise<std::size_t> hold_back(std::size_t bytes) {
    const auto pause = std::chrono::ceil<std::chrono::milliseconds>(visit_.received(bytes));
    if (pause.count() == 0) return bytes;
    return timer_.afterDelay(pause.count() * kj::MILLISECONDS).then([bytes] { return bytes; });
  }

  Visit& visit_;
  kj::Timer& timer_;
};

}  // namespace carillon::actors
