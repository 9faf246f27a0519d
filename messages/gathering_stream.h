// A connection that asks the kernel for little: it reads ahead, and what is written in a few rounds of the event loop leaves together.
//
// For Cap'n Proto's RPC (0.9), which reads a small message in two pieces, looks for the next one, and writes each by itself.
// (Later versions of Cap'n Proto read ahead and gather by themselves.)
//
// A write is done once its bytes are taken over, except while kUnwrittenBytesMax of them wait: then when they have been written.
// One that fails afterwards ends the reading, and every later write fails with the same reason. What waits when the stream
// is destroyed is written as far as the connection takes it in at once. Single-threaded: belongs to the event loop that it was made in.
// Reads come one at a time, as do writes.
#pragma once

#include <kj/async-io.h>
#include <kj/vector.h>

#include <array>
#include <cstddef>

namespace carillon {

class GatheringStream final : public kj::AsyncIoStream {
 public:
  static constexpr std::size_t kAheadBytes = 2u << 10;  // Held by every connection, idle or not.
  static constexpr std::size_t kUnwrittenBytesMax = 64u << 10;
  static constexpr std::size_t kCopiedBytesMax = 16u << 10;  // Larger writes go to the connection as they are.

  explicit GatheringStream(kj::Own<kj::AsyncIoStream> inner) : inner_(kj::mv(inner)) {}
  ~GatheringStream() noexcept;

  kj::Promise<std::size_t> read(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override;
  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override;
  kj::Promise<void> write(const void* buffer, std::size_t bytes) override;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() override;  // Once all is written.
  void abortRead() override { inner_->abortRead(); }
  void getsockopt(int level, int option, void* value, unsigned* length) override {
    inner_->getsockopt(level, option, value, length);
  }
  void setsockopt(int level, int option, const void* value, unsigned length) override {
    inner_->setsockopt(level, option, value, length);
  }

 private:
  std::size_t take_ahead(kj::byte* into, std::size_t bytes_max);
  void write_soon();
  kj::Promise<void> write_on();
  kj::Promise<void> all_written();

  kj::Own<kj::AsyncIoStream> inner_;
  std::array<kj::byte, kAheadBytes> ahead_;
  std::size_t ahead_begin_ = 0, ahead_end_ = 0;  // What was read and not asked for yet.
  kj::Vector<kj::byte> waiting_;                 // Taken over, and in no write yet.
  kj::Vector<kj::byte> being_written_;
  bool is_writing_ = false;  // Or soon will be.
  bool shut_ = false;        // Nothing more will be written.
  kj::Maybe<kj::Exception> failed_;
  kj::ForkedPromise<void> written_ = kj::Promise<void>(kj::READY_NOW).fork();  // All that had been taken over.
};

}  // namespace carillon
