#include "runtime/direct_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace carillon::runtime {
namespace {

constexpr std::size_t kBlockBytes = 4096;  // What O_DIRECT asks of addresses, offsets and sizes, at most.
constexpr std::size_t kBufferBytes = 1024 * 1024;

leveldb::Status failed(const std::string& name, int error) {
  return leveldb::Status::IOError(name, std::strerror(error));
}

std::size_t whole_blocks(std::size_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

char* aligned(std::size_t bytes) { return static_cast<char*>(std::aligned_alloc(kBlockBytes, bytes)); }

}  // namespace

leveldb::Status DirectFile::create(const std::string& name, std::size_t zeros_ahead_bytes,
                                   leveldb::WritableFile** file) {
  *file = nullptr;
  constexpr int kFlags = O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC;
  int opened = open(name.c_str(), kFlags | O_DIRECT, 0644);
  if (opened < 0 && errno == EINVAL) opened = open(name.c_str(), kFlags, 0644);
  if (opened < 0) return failed(name, errno);
  *file = new DirectFile(name, opened, zeros_ahead_bytes);
  return leveldb::Status::OK();
}

DirectFile::DirectFile(std::string name, int file, std::size_t zeros_ahead_bytes)
    : name_(std::move(name)), file_(file), zeros_ahead_bytes_(zeros_ahead_bytes), buffer_(aligned(kBufferBytes)) {}

DirectFile::~DirectFile() {
  if (file_ >= 0) (void)DirectFile::Close();
}

leveldb::Status DirectFile::Append(const leveldb::Slice& data) {
  const char* from = data.data();
  for (std::size_t left = data.size(); left > 0;) {
    const auto some = std::min(left, kBufferBytes - buffered_);
    std::memcpy(buffer_.get() + buffered_, from, some);
    buffered_ += some, from += some, left -= some;
    fresh_ = true;
    if (buffered_ < kBufferBytes) continue;
    if (auto written = write_out(); !written.ok()) return written;
  }
  return leveldb::Status::OK();
}

leveldb::Status DirectFile::write_out() {
  if (!fresh_) return leveldb::Status::OK();
  const auto bytes = whole_blocks(buffered_);
  std::memset(buffer_.get() + buffered_, 0, bytes - buffered_);
  if (buffer_at_ + bytes > file_bytes_ && bytes < zeros_ahead_bytes_) {
    static const std::unique_ptr<char, Free> zeros = [](std::size_t size) {
      std::unique_ptr<char, Free> fresh(aligned(size));
      std::memset(fresh.get(), 0, size);
      return fresh;
    }(kBufferBytes);
    // Only behind what is in the file: its last block may hold what was synced, and a crash may follow at once.
    const auto until = buffer_at_ + std::min(zeros_ahead_bytes_, kBufferBytes);
    // Not fatal: a full disk shows when the data itself does not fit.
    if (write_at(zeros.get(), until - file_bytes_, file_bytes_) == 0) file_bytes_ = until;
  }
  if (const int error = write_at(buffer_.get(), bytes, buffer_at_); error != 0) return failed(name_, error);
  file_bytes_ = std::max(file_bytes_, buffer_at_ + bytes);
  fresh_ = false;
  const auto done = buffered_ / kBlockBytes * kBlockBytes;
  std::memmove(buffer_.get(), buffer_.get() + done, buffered_ - done);
  buffer_at_ += done;
  buffered_ -= done;
  return leveldb::Status::OK();
}

leveldb::Status DirectFile::Sync() {
  if (auto written = write_out(); !written.ok()) return written;
  if (zeros_ahead_bytes_ == 0)
    if (auto trimmed = trim(); !trimmed.ok()) return trimmed;
  return fdatasync(file_) == 0 ? leveldb::Status::OK() : failed(name_, errno);
}

leveldb::Status DirectFile::Close() {
  auto status = write_out();
  if (auto trimmed = trim(); status.ok()) status = trimmed;
  if (close(file_) != 0 && status.ok()) status = failed(name_, errno);
  file_ = -1;
  return status;
}

// Takes away the zeros behind what was appended.
leveldb::Status DirectFile::trim() {
  if (file_bytes_ <= length()) return leveldb::Status::OK();
  if (ftruncate(file_, static_cast<off_t>(length())) != 0) return failed(name_, errno);
  file_bytes_ = length();
  return leveldb::Status::OK();
}

int DirectFile::write_at(const char* data, std::size_t size, std::size_t at) {
  while (size > 0) {
    const auto done = pwrite(file_, data, size, static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    data += done, at += static_cast<std::size_t>(done), size -= static_cast<std::size_t>(done);
  }
  return 0;
}

}  // namespace carillon::runtime
