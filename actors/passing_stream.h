// A connection that passes everything on, for those that watch over what is read or written.
#pragma once

#include <kj/async-io.h>
#include <kj/debug.h>

#include <cstddef>

namespace carillon::actors {

class PassingStream : public kj::AsyncIoStream {
 public:
  kj::Promise<std::size_t> read(void* buffer, std::size_t bytes_min, std::size_t bytes_max) final {
    return tryRead(buffer, bytes_min, bytes_max).then([bytes_min](std::size_t came) {
      if (came < bytes_min) kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the client has gone"));
      return came;
    });
  }
  kj::Promise<void> write(const void* buffer, std::size_t bytes) final { return inner_->write(buffer, bytes); }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return inner_->write(pieces);
  }
  kj::Promise<void> whenWriteDisconnected() final { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() final { inner_->shutdownWrite(); }
  void abortRead() final { inner_->abortRead(); }

 protected:
  explicit PassingStream(kj::Own<kj::AsyncIoStream> inner) : inner_(kj::mv(inner)) {}

  kj::Own<kj::AsyncIoStream> inner_;
};

}  // namespace carillon::actors
