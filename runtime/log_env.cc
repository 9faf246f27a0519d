#include "runtime/log_env.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace carillon::runtime {
namespace {

constexpr std::size_t kAheadBytes = 256 * 1024;
constexpr std::size_t kBufferBytes = 1024 * 1024;

leveldb::Status failed(const std::string& name, int error) { return leveldb::Status::IOError(name, std::strerror(error)); }

// Appends at `written_`; the file itself may be longer, zeros behind. Trimmed when closed.
// LevelDB flushes after every 32 KiB; since every batch is synced, the system is called once a batch.
class LogFile final : public leveldb::WritableFile {
 public:
  LogFile(std::string name, int file) : name_(std::move(name)), file_(file) {}
  ~LogFile() override {
    if (file_ >= 0) (void)LogFile::Close();
  }

  leveldb::Status Append(const leveldb::Slice& data) override {
    if (buffer_.size() + data.size() > kBufferBytes)
      if (auto written = write_buffer(); !written.ok()) return written;
    buffer_.append(data.data(), data.size());
    return leveldb::Status::OK();
  }

  leveldb::Status Flush() override { return leveldb::Status::OK(); }

  leveldb::Status Sync() override {
    if (auto written = write_buffer(); !written.ok()) return written;
    if (fdatasync(file_) != 0) return failed(name_, errno);
    return leveldb::Status::OK();
  }

  leveldb::Status Close() override {
    auto status = write_buffer();
    if (allocated_ > written_ && ftruncate(file_, static_cast<off_t>(written_)) != 0 && status.ok())
      status = failed(name_, errno);
    if (close(file_) != 0 && status.ok()) status = failed(name_, errno);
    file_ = -1;
    return status;
  }

 private:
  leveldb::Status write_buffer() {
    const auto status = write(buffer_.data(), buffer_.size());
    buffer_.clear();
    return status;
  }

  leveldb::Status write(const char* data, std::size_t size) {
    if (size == 0) return leveldb::Status::OK();
    if (written_ + size > allocated_ && size < kAheadBytes) {
      static const std::string zeros(kAheadBytes, '\0');
      // Not fatal: a full disk shows when the data itself does not fit.
      if (pwrite_all(zeros.data(), zeros.size(), written_) == 0) allocated_ = written_ + kAheadBytes;
    }
    if (const int error = pwrite_all(data, size, written_); error != 0) return failed(name_, error);
    written_ += size;
    allocated_ = std::max(allocated_, written_);
    return leveldb::Status::OK();
  }

  int pwrite_all(const char* data, std::size_t size, std::size_t at) const {
    while (size > 0) {
      const auto done = pwrite(file_, data, size, static_cast<off_t>(at));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) return errno;
      data += done, at += static_cast<std::size_t>(done), size -= static_cast<std::size_t>(done);
    }
    return 0;
  }

  const std::string name_;
  int file_;
  std::string buffer_;
  std::size_t written_ = 0;    // The log's length.
  std::size_t allocated_ = 0;  // The file's length.
};

class LogEnv final : public leveldb::EnvWrapper {
 public:
  LogEnv() : EnvWrapper(leveldb::Env::Default()) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** result) override {
    if (!name.ends_with(".log")) return EnvWrapper::NewWritableFile(name, result);
    const int file = open(name.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (file < 0) {
      *result = nullptr;
      return failed(name, errno);
    }
    *result = new LogFile(name, file);
    return leveldb::Status::OK();
  }
};

}  // namespace

std::unique_ptr<leveldb::Env> make_log_env() { return std::make_unique<LogEnv>(); }

}  // namespace carillon::runtime
