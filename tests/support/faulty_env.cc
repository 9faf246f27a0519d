#include "tests/support/faulty_env.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

namespace carillon::testing {
namespace {

using leveldb::Slice;
using leveldb::Status;

constexpr std::size_t kSectorBytes = 512;

Status no_power(const std::string& path) { return Status::IOError(path, "no power"); }
Status not_found(const std::string& path) { return Status::NotFound(path, "no such file"); }

// LevelDB's own log is not looked at.
class SilentLogger final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

}  // namespace

std::string_view name_of(Fault fault) {
  static constexpr std::array<std::string_view, kFaultKinds> kNames = {
      "power cut",   "lost tail",  "torn write", "zeroed sector", "lost block", "lost directory operation",
      "write error", "sync error", "lost sync",  "disk full",     "corruption", "process kill"};
  return kNames[static_cast<std::size_t>(fault)];
}

// --- Files and locks, as LevelDB holds them. Each belongs to the life in which it was opened.

class FaultyEnv::Reader final : public leveldb::SequentialFile {
 public:
  Reader(FaultyEnv& env, std::string path, std::shared_ptr<File> file)
      : env_(env), life_(env.life_), path_(std::move(path)), file_(std::move(file)) {}

  Status Read(std::size_t bytes, Slice* result, char* scratch) override {
    const std::lock_guard lock(env_.mutex_);
    if (auto status = env_.usable(life_, path_); !status.ok()) return status;
    auto status = env_.read(*file_, offset_, bytes, result, scratch);
    offset_ += result->size();
    return status;
  }

  Status Skip(std::uint64_t bytes) override {
    const std::lock_guard lock(env_.mutex_);
    if (auto status = env_.usable(life_, path_); !status.ok()) return status;
    offset_ = std::min<std::uint64_t>(offset_ + bytes, file_->bytes.size());
    return Status::OK();
  }

 private:
  FaultyEnv& env_;
  const std::uint64_t life_;
  const std::string path_;
  const std::shared_ptr<File> file_;
  std::uint64_t offset_ = 0;
};

class FaultyEnv::RandomReader final : public leveldb::RandomAccessFile {
 public:
  RandomReader(const FaultyEnv& env, std::string path, std::shared_ptr<File> file)
      : env_(env), life_(env.life_), path_(std::move(path)), file_(std::move(file)) {}

  Status Read(std::uint64_t offset, std::size_t bytes, Slice* result, char* scratch) const override {
    const std::lock_guard lock(env_.mutex_);
    if (auto status = env_.usable(life_, path_); !status.ok()) return status;
    return env_.read(*file_, offset, bytes, result, scratch);
  }

 private:
  const FaultyEnv& env_;
  const std::uint64_t life_;
  const std::string path_;
  const std::shared_ptr<File> file_;
};

class FaultyEnv::Writer final : public leveldb::WritableFile {
 public:
  Writer(FaultyEnv& env, std::string path, std::shared_ptr<File> file)
      : env_(env), life_(env.life_), path_(std::move(path)), file_(std::move(file)), is_log_(path_.ends_with(".log")) {}

  Status Append(const Slice& data) override {
    // LevelDB holds no lock here (DBImpl::Write); tables and manifests are appended to with one held.
    if (is_log_) env_.run_background_work();
    const std::lock_guard lock(env_.mutex_);
    if (auto status = env_.usable(life_, path_); !status.ok()) return status;
    return env_.append(*file_, path_, {data.data(), data.size()});
  }

  Status Sync() override {
    const std::lock_guard lock(env_.mutex_);
    if (auto status = env_.usable(life_, path_); !status.ok()) return status;
    return env_.sync(*file_, path_);
  }

  Status Flush() override { return Status::OK(); }  // To the kernel: appended bytes are there already.
  Status Close() override { return Status::OK(); }

 private:
  FaultyEnv& env_;
  const std::uint64_t life_;
  const std::string path_;
  const std::shared_ptr<File> file_;
  const bool is_log_;
};

class FaultyEnv::Lock final : public leveldb::FileLock {
 public:
  Lock(std::uint64_t life, std::string path) : life_(life), path_(std::move(path)) {}

  std::uint64_t life() const { return life_; }
  const std::string& path() const { return path_; }

 private:
  const std::uint64_t life_;
  const std::string path_;
};

FaultyEnv::FaultyEnv() : FaultyEnv(Options{}) {}

FaultyEnv::FaultyEnv(Options options)
    : rescue_after_(options.rescue_after), random_(options.seed), plan_(options.plan) {}

FaultyEnv::~FaultyEnv() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_changed_.notify_all();
  if (rescuer_.joinable()) rescuer_.join();
}

// --- For the test.

void FaultyEnv::set_plan(const FaultPlan& plan) {
  const std::lock_guard lock(mutex_);
  plan_ = plan;
  plan_writes_ = plan_operations_ = plan_syncs_ = 0;
}

void FaultyEnv::power_cut() {
  const std::lock_guard lock(mutex_);
  cut_power();
}

bool FaultyEnv::is_powered() const {
  const std::lock_guard lock(mutex_);
  return powered_;
}

leveldb::Env* FaultyEnv::after_restart() {
  const std::lock_guard lock(mutex_);
  cut_power();
  const std::size_t kept = torn_writes_ ? dice(pending_.size() + 1) : 0;
  fired_[static_cast<std::size_t>(Fault::kLostDirectoryOperation)] += pending_.size() - kept;
  for (std::size_t i = 0; i < kept; ++i) apply(pending_[i], durable_names_);
  pending_.clear();
  names_ = durable_names_;
  for (const auto& [path, file] : names_) {
    const auto begin = file->durable_bytes;
    lose_what_is_not_durable(*file);
    if (torn_writes_ && path.ends_with(".log")) lose_some_blocks(*file, begin);
  }
  begin_life();
  return this;
}

leveldb::Env* FaultyEnv::after_kill() {
  const std::lock_guard lock(mutex_);
  count(Fault::kProcessKill);
  begin_life();
  return this;
}

void FaultyEnv::settle() { run_background_work(); }

std::optional<std::uint64_t> FaultyEnv::corrupt(const std::string& path, std::optional<std::uint64_t> offset) {
  const std::lock_guard lock(mutex_);
  const auto file = find(path);
  if (!file || file->bytes.empty() || (offset && *offset >= file->bytes.size())) return std::nullopt;
  const std::uint64_t where = offset ? *offset : dice(file->bytes.size());
  file->bytes[where] = static_cast<char>(file->bytes[where] ^ static_cast<char>(1 + dice(255)));
  count(Fault::kCorruption);
  return where;
}

std::vector<std::string> FaultyEnv::files() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  paths.reserve(names_.size());
  for (const auto& [path, file] : names_) paths.push_back(path);
  return paths;
}

std::uint64_t FaultyEnv::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

std::uint64_t FaultyEnv::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

std::uint64_t FaultyEnv::bytes_used() const {
  const std::lock_guard lock(mutex_);
  return bytes_used_locked();
}

std::uint64_t FaultyEnv::fired(Fault fault) const {
  const std::lock_guard lock(mutex_);
  return fired_[static_cast<std::size_t>(fault)];
}

std::size_t FaultyEnv::fault_kinds_fired() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(fired_, [](std::uint64_t times) { return times > 0; }));
}

void FaultyEnv::advance(std::chrono::microseconds time) {
  const std::lock_guard lock(mutex_);
  now_micros_ += static_cast<std::uint64_t>(time.count());
}

// --- For LevelDB.

Status FaultyEnv::NewSequentialFile(const std::string& path, leveldb::SequentialFile** file) {
  const std::lock_guard lock(mutex_);
  *file = nullptr;
  if (!powered_) return no_power(path);
  const auto found = find(path);
  if (!found) return not_found(path);
  *file = new Reader(*this, path, found);
  return Status::OK();
}

Status FaultyEnv::NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** file) {
  const std::lock_guard lock(mutex_);
  *file = nullptr;
  if (!powered_) return no_power(path);
  const auto found = find(path);
  if (!found) return not_found(path);
  *file = new RandomReader(*this, path, found);
  return Status::OK();
}

Status FaultyEnv::NewWritableFile(const std::string& path, leveldb::WritableFile** file) {
  const std::lock_guard lock(mutex_);
  *file = nullptr;
  auto created = std::make_shared<File>();
  if (auto status = change_directory(path, {{}, path, created}); !status.ok()) return status;
  *file = new Writer(*this, path, std::move(created));
  return Status::OK();
}

Status FaultyEnv::NewAppendableFile(const std::string& path, leveldb::WritableFile** file) {
  const std::lock_guard lock(mutex_);
  *file = nullptr;
  auto found = find(path);
  if (!found) {
    found = std::make_shared<File>();
    if (auto status = change_directory(path, {{}, path, found}); !status.ok()) return status;
  } else if (!powered_) {
    return no_power(path);
  }
  *file = new Writer(*this, path, std::move(found));
  return Status::OK();
}

bool FaultyEnv::FileExists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return powered_ && names_.contains(path);
}

Status FaultyEnv::GetChildren(const std::string& directory, std::vector<std::string>* names) {
  const std::lock_guard lock(mutex_);
  names->clear();
  if (!powered_) return no_power(directory);
  const std::string prefix = directory + "/";
  for (const auto& [path, file] : names_)
    if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos)
      names->push_back(path.substr(prefix.size()));
  if (names->empty() && !directories_.contains(directory)) return not_found(directory);
  return Status::OK();
}

Status FaultyEnv::RemoveFile(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return no_power(path);
  if (!names_.contains(path)) return not_found(path);
  return change_directory(path, {path, {}, nullptr});
}

Status FaultyEnv::CreateDir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return no_power(path);
  directories_.insert(path);
  return Status::OK();
}

Status FaultyEnv::RemoveDir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return no_power(path);
  return directories_.erase(path) > 0 ? Status::OK() : not_found(path);
}

Status FaultyEnv::GetFileSize(const std::string& path, std::uint64_t* bytes) {
  const std::lock_guard lock(mutex_);
  *bytes = 0;
  if (!powered_) return no_power(path);
  const auto found = find(path);
  if (!found) return not_found(path);
  *bytes = found->bytes.size();
  return Status::OK();
}

Status FaultyEnv::RenameFile(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (!powered_) return no_power(from);
  auto found = find(from);
  if (!found) return not_found(from);
  return change_directory(from, {from, to, std::move(found)});
}

Status FaultyEnv::LockFile(const std::string& path, leveldb::FileLock** lock) {
  const std::lock_guard guard(mutex_);
  *lock = nullptr;
  if (!powered_) return no_power(path);
  if (!locks_.insert(path).second) return Status::IOError("lock " + path, "already held");
  *lock = new Lock(life_, path);
  return Status::OK();
}

Status FaultyEnv::UnlockFile(leveldb::FileLock* lock) {
  const std::lock_guard guard(mutex_);
  const std::unique_ptr<Lock> held(static_cast<Lock*>(lock));
  if (held->life() == life_) locks_.erase(held->path());
  return Status::OK();
}

void FaultyEnv::Schedule(void (*function)(void*), void* argument) {
  {
    const std::lock_guard lock(mutex_);
    work_.push_back({function, argument});
    if (!rescuer_.joinable()) rescuer_ = std::thread([this] { rescue(); });
  }
  work_changed_.notify_all();
}

// LevelDB never calls it.
void FaultyEnv::StartThread(void (*function)(void*), void* argument) { Schedule(function, argument); }

Status FaultyEnv::GetTestDirectory(std::string* path) {
  *path = "/test";
  return CreateDir(*path);
}

Status FaultyEnv::NewLogger(const std::string&, leveldb::Logger** logger) {
  *logger = new SilentLogger();
  return Status::OK();
}

std::uint64_t FaultyEnv::NowMicros() {
  const std::lock_guard lock(mutex_);
  return now_micros_++;
}

// LevelDB holds no lock here either (DBImpl::MakeRoomForWrite).
void FaultyEnv::SleepForMicroseconds(int micros) {
  advance(std::chrono::microseconds(micros));
  run_background_work();
}

// --- With the mutex held.

Status FaultyEnv::usable(std::uint64_t life, const std::string& path) const {
  if (!powered_) return no_power(path);
  return life == life_ ? Status::OK() : Status::IOError(path, "opened before the restart");
}

// Counts a write and decides its fate: `failed` when it fails (a power cut included) but may have done something.
Status FaultyEnv::before_write(const std::string& path, bool& failed) {
  failed = true;
  const std::uint64_t write = plan_writes_++;
  const std::uint64_t operation = plan_operations_++;
  ++writes_;
  if (operation == plan_.power_cut_after_writes || chance(plan_.power_cut_chance)) {
    cut_power();
    return no_power(path);
  }
  if (write == plan_.write_error_after_writes || chance(plan_.write_error_chance)) {
    count(Fault::kWriteError);
    return Status::IOError(path, "write error");
  }
  failed = false;
  return Status::OK();
}

Status FaultyEnv::change_directory(const std::string& path, DirectoryOperation operation) {
  if (!powered_) return no_power(path);
  bool failed = false;
  auto status = before_write(path, failed);
  if (failed && powered_) return status;
  // An operation that the power cut interrupted may have reached the journal.
  apply(operation, names_);
  pending_.push_back(std::move(operation));
  return status;
}

Status FaultyEnv::append(File& file, const std::string& path, std::string_view data) {
  bool failed = false;
  auto status = before_write(path, failed);
  if (failed && powered_) {
    file.bytes.append(data.substr(0, dice(data.size() + 1)));
    return status;
  }
  if (plan_.disk_bytes_max) {
    const std::uint64_t used = bytes_used_locked();
    const std::uint64_t free = *plan_.disk_bytes_max > used ? *plan_.disk_bytes_max - used : 0;
    if (data.size() > free) {
      count(Fault::kDiskFull);
      file.bytes.append(data.substr(0, free));
      return Status::IOError(path, "No space left on device");
    }
  }
  file.bytes.append(data);
  return status;
}

Status FaultyEnv::sync(File& file, const std::string& path) {
  const std::uint64_t sync = plan_syncs_++;
  const std::uint64_t operation = plan_operations_++;
  ++syncs_;
  if (operation == plan_.power_cut_after_writes || chance(plan_.power_cut_chance)) {
    cut_power();
    return no_power(path);
  }
  if (sync == plan_.sync_error_after_syncs || chance(plan_.sync_error_chance)) {
    count(Fault::kSyncError);
    if (file.durable_bytes < file.bytes.size() && dice(2) == 0) {
      file.holes.push_back({file.durable_bytes, file.bytes.size()});
      count(Fault::kLostSync);
    }
    return Status::IOError(path, "sync error");
  }
  file.durable_bytes = file.bytes.size();
  for (const auto& operation_made : pending_) apply(operation_made, durable_names_);
  pending_.clear();
  return Status::OK();
}

Status FaultyEnv::read(const File& file, std::uint64_t offset, std::size_t bytes, Slice* result, char* scratch) const {
  const std::size_t begin = std::min<std::uint64_t>(offset, file.bytes.size());
  const std::size_t size = std::min(bytes, file.bytes.size() - begin);
  if (size > 0) std::memcpy(scratch, file.bytes.data() + begin, size);
  *result = Slice(scratch, size);
  return Status::OK();
}

std::shared_ptr<FaultyEnv::File> FaultyEnv::find(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : found->second;
}

std::uint64_t FaultyEnv::bytes_used_locked() const {
  std::uint64_t bytes = 0;
  for (const auto& [path, file] : names_) bytes += file->bytes.size();
  return bytes;
}

void FaultyEnv::cut_power() {
  if (!powered_) return;
  powered_ = false;
  torn_writes_ = plan_.torn_writes;
  count(Fault::kPowerCut);
}

void FaultyEnv::lose_what_is_not_durable(File& file) {
  const std::size_t unsynced = file.bytes.size() - file.durable_bytes;
  const std::size_t kept = torn_writes_ ? dice(unsynced + 1) : 0;
  if (kept < unsynced) count(Fault::kLostTail);
  file.bytes.resize(file.durable_bytes + kept);
  for (const Hole& hole : file.holes)
    if (hole.begin < file.bytes.size())
      std::fill(file.bytes.begin() + static_cast<std::ptrdiff_t>(hole.begin),
                file.bytes.begin() + static_cast<std::ptrdiff_t>(std::min(hole.end, file.bytes.size())), '\0');
  file.holes.clear();
  if (kept > 0) {
    count(Fault::kTornWrite);
    if (dice(4) == 0) {
      const std::size_t sector = std::max(file.durable_bytes, (file.bytes.size() - 1) / kSectorBytes * kSectorBytes);
      std::fill(file.bytes.begin() + static_cast<std::ptrdiff_t>(sector), file.bytes.end(), '\0');
      count(Fault::kZeroedSector);
    }
  }
  file.durable_bytes = file.bytes.size();
}

void FaultyEnv::lose_some_blocks(File& file, std::size_t begin) {
  constexpr std::size_t kBlockBytes = kSectorBytes;
  if (begin + kBlockBytes >= file.bytes.size() || dice(4) == 0) return;
  // One stretch, so that much behind it is there; or many of them.
  const bool one_stretch = dice(2) == 0;
  const auto stretch_begin = begin + dice(file.bytes.size() - begin);
  const auto stretch_end = stretch_begin + kBlockBytes * (1 + dice(4));
  for (auto at = begin; at + kBlockBytes < file.bytes.size();) {
    const auto end = (at / kBlockBytes + 1) * kBlockBytes;
    if (one_stretch ? at < stretch_end && end > stretch_begin : dice(3) == 0) {
      std::fill(file.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                file.bytes.begin() + static_cast<std::ptrdiff_t>(end), '\0');
      count(Fault::kLostBlock);
    }
    at = end;
  }
}

void FaultyEnv::apply(const DirectoryOperation& operation, Directory& directory) {
  if (!operation.removed.empty()) directory.erase(operation.removed);
  if (!operation.added.empty()) directory[operation.added] = operation.file;
}

void FaultyEnv::begin_life() {
  ++life_;
  powered_ = true;
  locks_.clear();
  plan_ = {};
}

std::uint64_t FaultyEnv::dice(std::uint64_t sides) { return random_() % sides; }

bool FaultyEnv::chance(double probability) {
  return probability > 0 && static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

// --- Background work.

void FaultyEnv::run_background_work() {
  for (;;) {
    Work work{};
    {
      const std::lock_guard lock(mutex_);
      if (work_.empty()) return;
      work = work_.front();
      work_.pop_front();
    }
    work_changed_.notify_all();
    work.function(work.argument);  // May schedule more.
  }
}

void FaultyEnv::rescue() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (work_.empty()) {
      work_changed_.wait(lock);
      continue;
    }
    const auto done = [this] { return stopping_ || work_.empty(); };
    if (work_changed_.wait_for(lock, rescue_after_, done)) continue;
    std::fputs("FaultyEnv: LevelDB waits for background work; call settle() before closing it. Not deterministic.\n",
               stderr);
    lock.unlock();
    run_background_work();
    lock.lock();
  }
}

}  // namespace carillon::testing
