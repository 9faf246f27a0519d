// Files that LevelDB appends to, past the page cache: what was appended is what is read; zeros behind it hurt nobody.
#include "runtime/direct_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <leveldb/db.h>

#include <algorithm>
#include <memory>
#include <ostream>

#include "runtime/direct_env.h"
#include "tests/support/damage.h"
#include "tests/support/small_disk.h"
#include "tests/support/temporary_directory.h"

namespace carillon::runtime {
namespace {

using testing::content_of;
using testing::SmallDisk;
using testing::TemporaryDirectory;

constexpr std::size_t kBlock = 4'096;
constexpr std::size_t kBuffer = 1 << 20;
constexpr std::size_t kZerosAhead = 256 << 10;

// Bytes that differ from their neighbours and are never zero, so that none can be mistaken for another or for a hole.
std::string text_of(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(1 + (i * 31 + i / kBlock * 7) % 251);
  return text;
}

std::unique_ptr<leveldb::WritableFile> create(const std::filesystem::path& name, std::size_t zeros_ahead_bytes) {
  leveldb::WritableFile* file = nullptr;
  const auto status = DirectFile::create(name, zeros_ahead_bytes, &file);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return std::unique_ptr<leveldb::WritableFile>(file);
}

// How a file is written: all in pieces of one size, each synced or not.
struct Writing {
  std::size_t zeros_ahead_bytes, piece_bytes;
  bool sync_each;

  friend void PrintTo(const Writing& writing, std::ostream* out) {
    *out << "in pieces of " << writing.piece_bytes << (writing.sync_each ? ", each synced" : "");
  }
};

void append(leveldb::WritableFile& file, const std::string& text, const Writing& writing) {
  for (std::size_t at = 0; at < text.size(); at += writing.piece_bytes) {
    const auto size = std::min(writing.piece_bytes, text.size() - at);
    ASSERT_TRUE(file.Append({text.data() + at, size}).ok());
    if (!writing.sync_each) continue;
    ASSERT_TRUE(file.Sync().ok());
  }
}

class DirectFileSizes : public ::testing::TestWithParam<Writing> {
 protected:
  // Round the block, the zeros ahead and the buffer.
  static std::vector<std::size_t> sizes() {
    std::vector<std::size_t> sizes = {0, 1, 3 * kBuffer + 17};
    for (const auto edge : {kBlock, 2 * kBlock, kZerosAhead, kZerosAhead + kBlock, kBuffer, 2 * kBuffer})
      for (const auto size : {edge - 1, edge, edge + 1}) sizes.push_back(size);
    return sizes;
  }
  TemporaryDirectory directory;
};

TEST_P(DirectFileSizes, WhatWasAppendedIsWhatIsReadAfterClose) {
  for (const auto size : sizes()) {
    SCOPED_TRACE(size);
    const auto name = directory.path() / std::to_string(size);
    const auto text = text_of(size);
    const auto file = create(name, GetParam().zeros_ahead_bytes);
    append(*file, text, GetParam());
    ASSERT_TRUE(file->Close().ok());
    ASSERT_EQ(std::filesystem::file_size(name), size) << "zeros ahead are trimmed";
    ASSERT_TRUE(content_of(name) == text);
  }
}

TEST_P(DirectFileSizes, P1EverythingSyncedIsInTheFileBeforeItIsClosed) {
  for (const auto size : sizes()) {
    SCOPED_TRACE(size);
    const auto name = directory.path() / std::to_string(size);
    const auto text = text_of(size);
    const auto file = create(name, GetParam().zeros_ahead_bytes);
    append(*file, text, GetParam());
    ASSERT_TRUE(file->Sync().ok());
    const auto found = content_of(name);
    ASSERT_TRUE(found.starts_with(text));
    ASSERT_EQ(found.find_first_not_of('\0', size), std::string::npos) << "behind it are zeros only";
    ASSERT_TRUE(found.size() == size || GetParam().zeros_ahead_bytes > 0) << "a table has its own size after its sync";
  }
}

INSTANTIATE_TEST_SUITE_P(Log, DirectFileSizes,
                         ::testing::Values(Writing{kZerosAhead, 8 * kBuffer, false}, Writing{kZerosAhead, 1'000, false},
                                           Writing{kZerosAhead, 65'537, true}));
INSTANTIATE_TEST_SUITE_P(Table, DirectFileSizes,
                         ::testing::Values(Writing{0, 8 * kBuffer, false}, Writing{0, kBlock, false},
                                           Writing{0, 65'537, true}));

// Goal: a block that is written again with more in it never loses what was synced before.
TEST(DirectFile, P1KeepsEachOfManySmallSyncedPieces) {
  TemporaryDirectory directory;
  const auto name = directory.path() / "log";
  const auto file = create(name, kZerosAhead);
  const auto text = text_of(3 * kBlock);
  for (std::size_t end = 0; end < text.size();) {
    const auto size = std::min<std::size_t>(97, text.size() - end);
    ASSERT_TRUE(file->Append({text.data() + end, size}).ok());
    ASSERT_TRUE(file->Sync().ok());
    end += size;
    ASSERT_TRUE(content_of(name).starts_with(text.substr(0, end))) << end;
  }
}

TEST(DirectFile, ReplacesAFileOfThatName) {
  TemporaryDirectory directory;
  const auto name = directory.path() / "log";
  for (const auto size : {2 * kBuffer, kBlock + 1}) {
    const auto file = create(name, kZerosAhead);
    ASSERT_TRUE(file->Append(text_of(size)).ok());
    ASSERT_TRUE(file->Close().ok());
    EXPECT_TRUE(content_of(name) == text_of(size));
  }
}

TEST(DirectFile, IsTrimmedAlsoWhenItIsDropped) {
  TemporaryDirectory directory;
  const auto name = directory.path() / "log";
  {
    const auto file = create(name, kZerosAhead);
    ASSERT_TRUE(file->Append(text_of(100)).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_EQ(std::filesystem::file_size(name), kZerosAhead);
  }
  EXPECT_TRUE(content_of(name) == text_of(100));
}

TEST(DirectFile, SaysWhyItCannotBeMade) {
  TemporaryDirectory directory;
  leveldb::WritableFile* file = nullptr;
  const auto status = DirectFile::create(directory.path() / "nowhere" / "log", 0, &file);
  EXPECT_TRUE(status.IsIOError());
  EXPECT_NE(status.ToString().find("nowhere/log"), std::string::npos);
  EXPECT_EQ(file, nullptr);
}

// Goal: a disk that is full fails the sync, not later and not silently, and only when the data itself does not fit.
TEST(DirectFile, P1AFullDiskFailsTheSync) {
  SmallDisk disk(kBuffer);
  SKIP_WITHOUT(disk);
  const auto name = disk.path() / "log";
  const auto file = create(name, kZerosAhead);
  const auto piece = text_of(10'000);
  std::string synced;
  for (;;) {
    auto status = file->Append(piece);
    if (status.ok()) status = file->Sync();
    if (!status.ok()) {
      EXPECT_TRUE(status.IsIOError()) << status.ToString();
      break;
    }
    synced += piece;
    ASSERT_LE(synced.size(), kBuffer);
  }
  EXPECT_GT(synced.size(), kBuffer - kZerosAhead) << "the disk was used to its end";
  EXPECT_TRUE(content_of(name).starts_with(synced));
}

// --- With LevelDB.

std::unique_ptr<leveldb::DB> open_database(leveldb::Env& env, const std::filesystem::path& directory) {
  leveldb::Options options;
  options.env = &env;
  options.create_if_missing = true;
  options.compression = leveldb::kNoCompression;
  leveldb::DB* opened = nullptr;
  const auto status = leveldb::DB::Open(options, directory, &opened);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return std::unique_ptr<leveldb::DB>(opened);
}

std::string value_of(int record) { return text_of(static_cast<std::size_t>(record) * 37 % 5'000); }

// Everything up to `last` is there, and nothing behind it.
void expect_records(leveldb::DB& database, int last) {
  std::string value;
  for (int record = 1; record <= last; ++record) {
    ASSERT_TRUE(database.Get({}, std::to_string(record), &value).ok()) << record << " of " << last;
    ASSERT_TRUE(value == value_of(record)) << record;
  }
  ASSERT_TRUE(database.Get({}, std::to_string(last + 1), &value).IsNotFound());
}

bool ends_with_zeros(const std::filesystem::path& file) {
  const auto bytes = content_of(file);
  return bytes.size() > kBlock && bytes.find_last_not_of('\0') < bytes.size() - kBlock;
}

// Goal: whatever the size of the log when the process is killed, LevelDB recovers every synced record from it.
// Method: after a synced record, copy the directory as the kernel has it, which is what a killed process leaves, and
// open the copy. The sizes of records make the log end anywhere in a block.
TEST(DirectEnv, P1LogOfAKilledProcessIsRecoveredToItsLastRecord) {
  TemporaryDirectory directory;
  const auto env = make_direct_env();
  const auto database = open_database(*env, directory.path() / "live");
  leveldb::WriteOptions synced;
  synced.sync = true;
  int with_zeros = 0;
  for (int record = 1; record <= 400; ++record) {
    ASSERT_TRUE(database->Put(synced, std::to_string(record), value_of(record)).ok());
    if (record % 8 != 0) continue;
    const auto copy = directory.path() / "copy";
    std::filesystem::copy(directory.path() / "live", copy);
    for (const auto& log : testing::files_ending(copy, ".log")) with_zeros += ends_with_zeros(log);
    expect_records(*open_database(*env, copy), record);
    std::filesystem::remove_all(copy);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(with_zeros, 10) << "no log had zeros behind it: nothing was tested";
}

TEST(DirectEnv, P1TablesHoldWhatCompactionsGotIntoThem) {
  TemporaryDirectory directory;
  const auto env = make_direct_env();
  {
    const auto database = open_database(*env, directory.path() / "live");
    for (int record = 1; record <= 3'000; ++record)
      ASSERT_TRUE(database->Put({}, std::to_string(record), value_of(record)).ok());
    database->CompactRange(nullptr, nullptr);
    expect_records(*database, 3'000);
  }
  ASSERT_FALSE(testing::files_ending(directory.path() / "live", ".ldb").empty());
  expect_records(*open_database(*env, directory.path() / "live"), 3'000);
}

}  // namespace
}  // namespace carillon::runtime
