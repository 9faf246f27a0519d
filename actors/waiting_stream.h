// A connection from which nothing more is read while too much of what it was told waits to be written (P7). Belongs to its gateway
// thread.
#pragma once

#include <functional>

#include "actors/passing_stream.h"

namespace carillon::actors {

class WaitingStream final : public PassingStream {
 public:
  // `has_room` says whether more may be read. What takes room must be written here, for that is when it is asked again.
  WaitingStream(kj::Own<kj::AsyncIoStream> inner, std::function<bool()> has_room)
      : PassingStream(kj::mv(inner)), has_room_(std::move(has_room)) {}

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    if (has_room_()) return inner_->tryRead(buffer, bytes_min, bytes_max);
    auto room = kj::newPromiseAndFulfiller<void>();
    room_ = kj::mv(room.fulfiller);
    return room.promise.then([this, buffer, bytes_min, bytes_max] { return tryRead(buffer, bytes_min, bytes_max); });
  }
  kj::Promise<void> write(const void* buffer, std::size_t bytes) override {
    return inner_->write(buffer, bytes).then([this] { written(); });
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return inner_->write(pieces).then([this] { written(); });
  }

 private:
  // Whoever wrote counts it as written in a moment; so it is looked at after that, even if nobody waits yet.
  void written() {
    if (room_.get() == nullptr && has_room_()) return;
    look_again_ = kj::evalLast([this] {
                    if (room_.get() != nullptr) kj::mv(room_)->fulfill();
                  }).eagerlyEvaluate(nullptr);
  }

  std::function<bool()> has_room_;
  kj::Own<kj::PromiseFulfiller<void>> room_;  // Set while a read waits.
  kj::Promise<void> look_again_ = kj::READY_NOW;
};

}  // namespace carillon::actors
