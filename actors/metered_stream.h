// A connection from which no more is read than its address and its subject may send (P7). Belongs to its gateway thread.
#pragma once

#include <kj/timer.h>

#include <chrono>

#include "actors/latency.h"
#include "actors/passing_stream.h"
#include "actors/visit.h"

namespace carillon::actors {

class MeteredStream final : public PassingStream {
 public:
  // `visit` outlives the stream.
  MeteredStream(kj::Own<kj::AsyncIoStream> inner, Visit& visit, kj::Timer& timer)
      : PassingStream(kj::mv(inner)), visit_(visit), timer_(timer) {}

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    return when_paid()
        .then([this, buffer, bytes_min, bytes_max] { return inner_->tryRead(buffer, bytes_min, bytes_max); })
        .then([this](std::size_t bytes) {
          paid_at_ = Clock::now() + visit_.received(bytes);
          return bytes;
        });
  }

 private:
  // What came is paid for before more is read, so that TCP slows down who sends. Nothing is taken and held back: whoever gives up
  // waiting loses no bytes.
  kj::Promise<void> when_paid() {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(paid_at_ - Clock::now());
    if (left.count() <= 0) return kj::READY_NOW;
    return timer_.afterDelay(left.count() * kj::MILLISECONDS);
  }

  Visit& visit_;
  kj::Timer& timer_;
  Clock::time_point paid_at_;
};

}  // namespace carillon::actors
