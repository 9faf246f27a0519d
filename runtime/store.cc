#include "runtime/store.h"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/filter_policy.h>

#include <charconv>
#include <optional>
#include <random>
#include <system_error>

#include "runtime/direct_env.h"
#include "runtime/key.h"
#include "runtime/log_order_env.h"
#include "runtime/mutation.h"

namespace carillon::runtime {
namespace {

constexpr std::string_view kFormatKey = "format";

leveldb::Slice slice(std::string_view view) { return {view.data(), view.size()}; }
std::string_view view(const leveldb::Slice& slice) { return {slice.data(), slice.size()}; }

Error failure(std::string what, const leveldb::Status& status) {
  return {ErrorCode::UNAVAILABLE, std::move(what) + ": " + status.ToString()};
}

Error damaged() {
  return {ErrorCode::UNAVAILABLE,
          "cannot read the store: a record is damaged, its checksum is wrong; see `carillon verify`"};
}

leveldb::ReadOptions checked_read() {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  return options;
}

std::string random_id() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 16; ++i) id += "0123456789abcdef"[device() % 16];
  return id;
}

// LevelDB's own log is of no use to an operator; what matters comes back as errors.
class Silence final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

// LevelDB would make a directory even for a store that it is not to create, and no parents.
Result<void> prepare_directory(const StoreOptions& options) {
  std::error_code failed;
  if (options.create_if_missing) {
    std::filesystem::create_directories(options.directory, failed);
    if (!failed) return {};
    return Error{ErrorCode::UNAVAILABLE, "cannot make the directory " + options.directory.string() + ": " +
                                             failed.message() + " (its place may not be written: see the permissions)"};
  }
  if (Store::exists(options.directory)) return {};
  return Error{ErrorCode::UNAVAILABLE, "there is no store in " + options.directory.string() + ": see the path"};
}

}  // namespace

struct Store::Database {
  Silence silence;
  std::unique_ptr<leveldb::Env> own_env;
  std::optional<LogOrderEnv> env;
  std::unique_ptr<leveldb::Cache> cache;
  std::unique_ptr<leveldb::DB> db;
};

Store::Store(std::unique_ptr<Database> database, std::filesystem::path directory)
    : database_(std::move(database)), directory_(std::move(directory)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
  auto database = std::make_unique<Database>();
  leveldb::Options db_options;
  db_options.create_if_missing = options.create_if_missing;
  if (options.env == nullptr) {
    database->own_env = make_direct_env();
    if (auto there = prepare_directory(options); !there) return there.error();
  }
  database->cache.reset(leveldb::NewLRUCache(options.block_cache_bytes));
  database->env.emplace(options.env != nullptr ? options.env : database->own_env.get());
  db_options.env = &*database->env;
  db_options.info_log = &database->silence;
  db_options.block_cache = database->cache.get();
  db_options.write_buffer_size = options.write_buffer_bytes;
  db_options.max_file_size = 16u << 20;
  db_options.max_open_files = options.open_files_max;
  db_options.compression = leveldb::kNoCompression;
  // Not paranoid: a torn tail after a power cut must open. Holes are found by the witnesses of batches (Partition).
  db_options.paranoid_checks = false;

  leveldb::DB* opened = nullptr;
  const auto status = leveldb::DB::Open(db_options, options.directory.string(), &opened);
  database->db.reset(opened);
  if (!status.ok()) {
    const auto text = status.ToString();
    std::string what = "cannot open the store in " + options.directory.string();
    if (text.find("lock") != std::string::npos || text.find("LOCK") != std::string::npos)
      what += " (another process uses it, or it may not be written: stop the other one, or see the permissions)";
    else if (status.IsCorruption())
      what += " (it is damaged: see `carillon verify`, then restore it from a copy)";
    return failure(std::move(what), status);
  }
  std::unique_ptr<Store> store(new Store(std::move(database), options.directory));
  if (auto loaded = store->load_format(options); !loaded) return loaded.error();
  return store;
}

Result<void> Store::load_format(const StoreOptions& options) {
  const Key key = store_key(kFormatKey);
  const auto stored = get(key);
  if (!stored) return stored.error();
  if (*stored) {
    auto format = decode_store_format(**stored);
    if (!format) return format.error();
    if (format->version != kFormatVersion)
      return Error{ErrorCode::UNAVAILABLE, "the store in " + options.directory.string() + " has format version " +
                                               std::to_string(format->version) + ", this program knows version " +
                                               std::to_string(kFormatVersion) +
                                               ": use the program that wrote it, or another data directory"};
    if (format->partitions == 0) return Error{ErrorCode::UNAVAILABLE, "the store's format names no partitions"};
    format_ = std::move(*format);
    return write_format();
  }
  bool empty = true;
  const auto scanned = scan({}, "\xff\xff", [&](auto, auto) { return empty = false; });
  if (!scanned || !empty)
    return Error{ErrorCode::UNAVAILABLE,
                 "the database in " + options.directory.string() + " is not a Carillon store: use another directory"};
  format_ = {kFormatVersion, options.partitions, random_id()};
  return write_format();
}

// At every opening: LevelDB may have recovered what no sync had reached before the process died, and its switch to what it recovered is a
// rename that it does not sync. Until a sync of ours has followed, a power cut could still take what readers have seen.
Result<void> Store::write_format() {
  WriteSet writes;
  writes.put(store_key(kFormatKey), encode(format_));
  return write(writes);
}

bool Store::exists(const std::filesystem::path& directory) {
  std::error_code ignored;
  return std::filesystem::exists(directory / "CURRENT", ignored);
}

Result<std::optional<std::string>> Store::get(std::string_view key) const {
  std::string record;
  const auto status = database_->db->Get(checked_read(), slice(key), &record);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return failure("cannot read the store", status);
  const auto value = value_of_record(key, record);
  if (!value) return damaged();
  record.resize(value->size());
  return std::optional<std::string>(std::move(record));
}

// LevelDB's iterators pass over a block that they cannot read; only their status tells.
Result<void> Store::scan(std::string_view from, std::string_view until, const Visit& visit) const {
  const std::unique_ptr<leveldb::Iterator> at(database_->db->NewIterator(checked_read()));
  for (at->Seek(slice(from)); at->status().ok() && at->Valid() && view(at->key()) < until; at->Next()) {
    const auto value = value_of_record(view(at->key()), view(at->value()));
    if (!value) return damaged();
    if (!visit(view(at->key()), *value)) return {};
  }
  if (!at->status().ok()) return failure("cannot read the store", at->status());
  return {};
}

Result<void> Store::scan_past_damage(std::string_view from, std::string_view until, const Visit& visit) const {
  Result<void> result;
  const std::unique_ptr<leveldb::Iterator> at(database_->db->NewIterator(checked_read()));
  const auto reads = [&] { return at->status().ok() || at->status().IsCorruption(); };
  std::string newest;
  for (at->Seek(slice(from)); reads() && at->Valid() && view(at->key()) < until; at->Next()) {
    // Behind a block that was passed over there are records that something in it has erased or replaced.
    const bool may_be_old = !at->status().ok();
    const auto status = may_be_old ? database_->db->Get(checked_read(), at->key(), &newest) : leveldb::Status();
    if (status.IsNotFound() || status.IsCorruption()) continue;
    if (!status.ok()) return failure("cannot read the store", status);
    const auto value = value_of_record(view(at->key()), may_be_old ? std::string_view(newest) : view(at->value()));
    if (!value) {
      if (result) result = damaged();
    } else if (!visit(view(at->key()), *value)) {
      return result;
    }
  }
  if (!at->status().ok() && (result || !reads())) return failure("cannot read the store", at->status());
  return result;
}

Result<void> Store::scan_back(std::string_view from, std::string_view until, const Visit& visit) const {
  const std::unique_ptr<leveldb::Iterator> at(database_->db->NewIterator(checked_read()));
  at->Seek(slice(until));
  if (at->Valid()) {
    at->Prev();
  } else if (at->status().ok()) {
    at->SeekToLast();
  }
  for (; at->status().ok() && at->Valid() && view(at->key()) >= from; at->Prev()) {
    const auto value = value_of_record(view(at->key()), view(at->value()));
    if (!value) return damaged();
    if (!visit(view(at->key()), *value)) return {};
  }
  if (!at->status().ok()) return failure("cannot read the store", at->status());
  return {};
}

std::size_t Store::uncompacted_files() const {
  std::string count;
  std::size_t files = 0;
  if (database_->db->GetProperty("leveldb.num-files-at-level0", &count))
    std::from_chars(count.data(), count.data() + count.size(), files);
  return files;
}

std::optional<Store::Room> Store::room() const {
  std::error_code failed;
  const auto space = std::filesystem::space(directory_, failed);
  if (failed) return std::nullopt;
  Room room{.bytes = 0, .free_bytes = space.available};
  for (std::filesystem::directory_iterator file(directory_, failed), end; !failed && file != end;
       file.increment(failed)) {
    std::error_code gone;  // A compaction has erased it meanwhile.
    const auto bytes = file->file_size(gone);
    if (!gone) room.bytes += bytes;
  }
  if (failed) return std::nullopt;
  return room;
}

Result<void> Store::write(WriteSet& writes, bool sync) {
  if (mutated(Mutation::kReadOnlyAcknowledges) && read_only()) return {};
  if (read_only())
    return Error{ErrorCode::UNAVAILABLE, "the store is read-only since a write failed; see the disk, then restart"};
  leveldb::WriteOptions options;
  options.sync = sync && !mutated(Mutation::kAcknowledgeBeforeSync);
  const auto status = database_->db->Write(options, &writes.batch());
  if (status.ok()) return {};
  read_only_.store(true, std::memory_order_relaxed);
  return failure("the disk refused a write; the store is read-only until a restart", status);
}

}  // namespace carillon::runtime
