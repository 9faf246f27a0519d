#include "messages/gathering_stream.h"

#include <kj/debug.h>

#include <algorithm>
#include <cstring>

namespace carillon {
namespace {

// Messages that came together are handled in rounds of their own, and so are their answers' (measured: docs/measured.md). Not evalLast:
// others on this thread may always have something to do.
constexpr unsigned kRounds = 8;

template <class Then>
kj::Promise<void> after(unsigned rounds, Then then) {
  return kj::evalLater([rounds, then]() -> kj::Promise<void> {
    if (rounds > 1) return after(rounds - 1, then);
    return then();
  });
}

}  // namespace

GatheringStream::~GatheringStream() noexcept {
  if (waiting_.empty() || !being_written_.empty() || failed_ != nullptr) return;
  // As a write that is not waited for.
  (void)kj::runCatchingExceptions([this] { const auto begun = inner_->write(waiting_.begin(), waiting_.size()); });
}

// --- Reading.

std::size_t GatheringStream::take_ahead(kj::byte* into, std::size_t bytes_max) {
  const auto bytes = std::min(bytes_max, ahead_end_ - ahead_begin_);
  std::memcpy(into, ahead_.data() + ahead_begin_, bytes);
  ahead_begin_ += bytes;
  return bytes;
}

kj::Promise<std::size_t> GatheringStream::tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) {
  auto* const into = static_cast<kj::byte*>(buffer);
  const auto had = take_ahead(into, bytes_max);
  if (had >= bytes_min) return had;
  const auto missing_min = bytes_min - had, missing_max = bytes_max - had;
  if (missing_max >= kAheadBytes)
    return inner_->tryRead(into + had, missing_min, missing_max).then([had](std::size_t came) { return had + came; });
  return inner_->tryRead(ahead_.data(), missing_min, kAheadBytes)
      .then([this, into, had, missing_max](std::size_t came) {
        ahead_begin_ = 0;
        ahead_end_ = came;
        return had + take_ahead(into + had, missing_max);
      });
}

kj::Promise<std::size_t> GatheringStream::read(void* buffer, std::size_t bytes_min, std::size_t bytes_max) {
  return tryRead(buffer, bytes_min, bytes_max).then([bytes_min](std::size_t came) {
    if (came < bytes_min) kj::throwFatalException(KJ_EXCEPTION(DISCONNECTED, "the other side has gone"));
    return came;
  });
}

// --- Writing.

kj::Promise<void> GatheringStream::write(const void* buffer, std::size_t bytes) {
  const kj::ArrayPtr<const kj::byte> piece(static_cast<const kj::byte*>(buffer), bytes);
  return write(kj::arrayPtr(&piece, 1));
}

kj::Promise<void> GatheringStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  KJ_IF_MAYBE (failure, failed_) {
    return kj::cp(*failure);
  }
  std::size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  // What is large is not copied. It comes behind what is there; the caller keeps it until it is written.
  if (bytes >= kCopiedBytesMax) return all_written().then([this, pieces] { return inner_->write(pieces); });
  for (const auto& piece : pieces) waiting_.addAll(piece);
  write_soon();
  if (waiting_.size() < kUnwrittenBytesMax) return kj::READY_NOW;
  return all_written();
}

void GatheringStream::write_soon() {
  if (is_writing_) return;
  is_writing_ = true;
  written_ = after(kRounds, [this] { return write_on(); })
                 .catch_([this](kj::Exception&& exception) {
                   failed_ = kj::cp(exception);
                   waiting_.clear();
                   inner_->abortRead();
                   kj::throwFatalException(kj::mv(exception));
                 })
                 .fork();
}

kj::Promise<void> GatheringStream::write_on() {
  being_written_ = kj::Vector<kj::byte>();
  if (waiting_.empty()) {
    is_writing_ = false;
    if (shut_) inner_->shutdownWrite();
    return kj::READY_NOW;
  }
  being_written_ = kj::mv(waiting_);
  return inner_->write(being_written_.begin(), being_written_.size()).then([this] { return write_on(); });
}

kj::Promise<void> GatheringStream::all_written() { return written_.addBranch(); }

void GatheringStream::shutdownWrite() {
  shut_ = true;
  if (!is_writing_) inner_->shutdownWrite();
}

}  // namespace carillon
