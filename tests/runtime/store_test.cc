// What a store promises beyond LevelDB: it opens only what it knows, says why it does not, and after a failed write it
// accepts nothing more and goes on reading.
#include "runtime/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <leveldb/db.h>

#include <fstream>

#include "runtime/key.h"
#include "tests/support/damage.h"
#include "tests/support/faulty_env.h"
#include "tests/support/small_disk.h"
#include "tests/support/temporary_directory.h"

namespace carillon::runtime {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::Fault;
using testing::FaultyEnv;
using ::testing::HasSubstr;
using testing::SmallDisk;
using testing::TemporaryDirectory;

constexpr char kStore[] = "/store";

// A store on a disk in memory that outlives it.
class StoreOnFaultyDisk : public ::testing::Test {
 protected:
  ~StoreOnFaultyDisk() override { close(); }

  Result<void> open(std::uint16_t partitions = 4) {
    close();
    StoreOptions options;
    options.directory = kStore;
    options.env = &env;
    options.partitions = partitions;
    options.write_buffer_bytes = write_buffer_bytes;
    options.create_if_missing = create_if_missing;
    auto opened = Store::open(options);
    env.settle();
    if (!opened.ok()) return opened.error();
    store = std::move(*opened);
    return {};
  }
  void close() {
    env.settle();
    store.reset();
  }
  void restart() {
    close();
    env.after_restart();
    ASSERT_TRUE(open().ok());
  }

  Result<void> put(std::string_view key, std::string_view value) {
    WriteSet writes;
    writes.put(key, value);
    return store->write(writes);
  }
  // What stands under `key`; "nothing", or "unreadable".
  std::string at(std::string_view key) {
    const auto read = store->get(key);
    return !read.ok() ? "unreadable" : read->value_or("nothing");
  }
  // A database that is there already, with one entry in it.
  void make_database_with(std::string_view key, std::string_view value) {
    leveldb::Options options;
    options.env = &env;
    options.create_if_missing = true;
    leveldb::DB* made = nullptr;
    ASSERT_TRUE(leveldb::DB::Open(options, kStore, &made).ok());
    const std::unique_ptr<leveldb::DB> database(made);
    WriteSet writes;
    writes.put(key, value);
    ASSERT_TRUE(database->Write({}, &writes.batch()).ok());
    env.settle();
  }

  FaultyEnv env;
  std::unique_ptr<Store> store;
  bool create_if_missing = true;
  std::size_t write_buffer_bytes = 64 << 10;
};

TEST_F(StoreOnFaultyDisk, P1KeepsWhatWasWrittenAcrossAPowerCut) {
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(put("a", "1").ok());
  restart();
  EXPECT_EQ(at("a"), "1");
  EXPECT_EQ(at("b"), "nothing");
}

TEST_F(StoreOnFaultyDisk, RefusesANewerFormatAndNamesBothVersions) {
  // Given a store of a program of the future.
  make_database_with(store_key("format"), encode(StoreFormat{Store::kFormatVersion + 1, 8, "from the future"}));
  // When this one opens it.
  const auto opened = open();
  // Then it says what it found, what it knows and what to do; and leaves it as it was.
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(opened.error().message,
              AllOf(HasSubstr(kStore), HasSubstr("format version " + std::to_string(Store::kFormatVersion + 1)),
                    HasSubstr("knows version " + std::to_string(Store::kFormatVersion)),
                    HasSubstr("use the program that wrote it")));
  EXPECT_EQ(open().error().message, opened.error().message);
}

TEST_F(StoreOnFaultyDisk, RefusesAFormatThatDoesNotDecode) {
  make_database_with(store_key("format"), "not Cap'n Proto");
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::UNAVAILABLE);
}

TEST_F(StoreOnFaultyDisk, RefusesAFormatWithoutPartitions) {
  make_database_with(store_key("format"), encode(StoreFormat{Store::kFormatVersion, 0, "empty"}));
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message, HasSubstr("no partitions"));
}

TEST_F(StoreOnFaultyDisk, KeepsItsOwnPartitionsWhateverItIsOpenedWith) {
  // Given a store of 4 partitions, where entities lie by it.
  ASSERT_TRUE(open(4).ok());
  const auto id = store->format().store_id;
  // When it is opened with another number.
  ASSERT_TRUE(open(16).ok());
  // Then it is the same store, with its own.
  EXPECT_EQ(store->format().partitions, 4);
  EXPECT_EQ(store->format().store_id, id);
}

TEST_F(StoreOnFaultyDisk, RefusesADatabaseThatIsNotACarillonStore) {
  make_database_with("somebody else's key", "somebody else's value");
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(opened.error().message,
              AllOf(HasSubstr(kStore), HasSubstr("not a Carillon store"), HasSubstr("use another directory")));
}

TEST(WriteSet, IsEmptyWhenItWasMovedFrom) {
  WriteSet writes;
  EXPECT_TRUE(writes.empty());
  writes.put("key", "value");
  auto moved = std::move(writes);
  EXPECT_TRUE(writes.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(writes.bytes(), 0u);
  EXPECT_FALSE(moved.empty());
  // What is appended by moving goes over whole, and what is copied stays.
  WriteSet all;
  all.append(moved);
  all.append(std::move(moved));
  EXPECT_EQ(leveldb::WriteBatch(all.batch()).ApproximateSize(), all.bytes());
  std::size_t puts = 0;
  class Count : public leveldb::WriteBatch::Handler {
   public:
    explicit Count(std::size_t& puts) : puts_(puts) {}
    void Put(const leveldb::Slice&, const leveldb::Slice&) override { ++puts_; }
    void Delete(const leveldb::Slice&) override {}

   private:
    std::size_t& puts_;
  } count(puts);
  ASSERT_TRUE(all.batch().Iterate(&count).ok());
  EXPECT_EQ(puts, 2u);
}

TEST(RecordOnDisk, IsItsValueOnlyUnderItsKeyAndWhenNoByteHasChanged) {
  WriteSet writes;
  writes.put("key", "value");
  class Records : public leveldb::WriteBatch::Handler {
   public:
    void Put(const leveldb::Slice&, const leveldb::Slice& value) override { record = value.ToString(); }
    void Delete(const leveldb::Slice&) override {}
    std::string record;
  } stored;
  ASSERT_TRUE(writes.batch().Iterate(&stored).ok());
  EXPECT_EQ(value_of_record("key", stored.record), "value");
  EXPECT_EQ(value_of_record("kex", stored.record), std::nullopt);
  EXPECT_EQ(value_of_record("key", ""), std::nullopt);
  for (std::size_t at = 0; at < stored.record.size(); ++at) {
    auto damaged = stored.record;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(value_of_record("key", damaged), std::nullopt) << at;
  }
}

TEST_F(StoreOnFaultyDisk, MakesNoStoreWhereNoneIsAskedFor) {
  create_if_missing = false;
  const auto opened = open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(opened.error().message, HasSubstr(kStore));
}

// Goal: after a write that failed, however it failed, nothing more is accepted, everything acknowledged is read, and a
// restart makes all well again.
class StoreAfterAFailure : public StoreOnFaultyDisk, public ::testing::WithParamInterface<testing::FaultPlan> {};

TEST_P(StoreAfterAFailure, P1IsReadOnlyAndGoesOnReading) {
  // Given a store that holds something.
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(put("a", "acknowledged").ok());
  // When the disk fails a write.
  env.set_plan(GetParam());
  const auto failed = put("b", std::string(10'000, 'b'));
  // Then it is refused, and every later one too, although the disk is well again.
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(failed.error().message, HasSubstr("read-only"));
  env.set_plan({});
  EXPECT_TRUE(store->read_only());
  const auto later = put("c", "later");
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(later.error().message, AllOf(HasSubstr("read-only"), HasSubstr("see the disk, then restart")));
  // And reading goes on,
  EXPECT_EQ(at("a"), "acknowledged");
  EXPECT_EQ(at("c"), "nothing");
  // and after a restart writing too, with all that was acknowledged.
  restart();
  EXPECT_FALSE(store->read_only());
  EXPECT_EQ(at("a"), "acknowledged");
  EXPECT_TRUE(put("d", "after the restart").ok());
}

std::string name_of_plan(const ::testing::TestParamInfo<testing::FaultPlan>& plan) {
  if (plan.param.write_error_after_writes) return "WriteError";
  return plan.param.sync_error_after_syncs ? "SyncError" : "FullDisk";
}

INSTANTIATE_TEST_SUITE_P(Disk, StoreAfterAFailure,
                         ::testing::Values(testing::FaultPlan{.write_error_after_writes = 0},
                                           testing::FaultPlan{.sync_error_after_syncs = 0},
                                           testing::FaultPlan{.disk_bytes_max = 0}),
                         name_of_plan);

// Goal: a byte that turned over on disk is never served as if it were what was written, not even after LevelDB has
// merged the table that it stands in into another one, with a fresh checksum.
class StoreWithADamagedTable : public StoreOnFaultyDisk {
 protected:
  static constexpr int kValues = 40;
  const std::string value = std::string(5'000, 'v');
  static std::string key_of(int i) { return "key " + std::to_string(100 + i); }

  void SetUp() override {
    write_buffer_bytes = 1 << 20;  // All in one log, of which the next opening makes one table.
    ASSERT_TRUE(open().ok());
    for (int i = 0; i < kValues; ++i) ASSERT_TRUE(put(key_of(i), value).ok());
    ASSERT_TRUE(open().ok());
    close();
    for (const auto& file : env.files())
      if (file.ends_with(".ldb")) table = file;
    std::uint64_t bytes = 0;
    ASSERT_TRUE(env.GetFileSize(table, &bytes).ok());
    ASSERT_GT(bytes, kValues * value.size());
    ASSERT_TRUE(env.corrupt(table, bytes / 2).has_value());
    write_buffer_bytes = 64 << 10;
    ASSERT_TRUE(open().ok());
  }
  // Every value is what was written, or said to be unreadable; and some are.
  void expect_nothing_wrong_is_served() {
    int unreadable = 0;
    for (int i = 0; i < kValues; ++i) {
      const auto found = at(key_of(i));
      unreadable += found == "unreadable";
      EXPECT_TRUE(found == value || found == "unreadable") << key_of(i) << " is served, and wrong";
    }
    EXPECT_GT(unreadable, 0);
  }
  std::string table;
};

TEST_F(StoreWithADamagedTable, SaysWhatCannotBeRead) { expect_nothing_wrong_is_served(); }

// Goal: whoever looks for the first or the last entry of a range is never given its neighbour for it (P4).
TEST_F(StoreWithADamagedTable, ScansNeverSkipWhatCannotBeRead) {
  int failed = 0;
  for (int i = 0; i < kValues; ++i) {
    std::string first, last;
    const auto into = [](std::string& key) {
      return [&key](auto found, auto) {
        key = found;
        return false;
      };
    };
    const auto forward = store->scan(key_of(i), "key 999", into(first));
    const auto back = store->scan_back("key 000", key_of(i) + "+", into(last));
    EXPECT_TRUE(!forward.ok() || first == key_of(i)) << "the first from " << key_of(i) << " on is said to be " << first;
    EXPECT_TRUE(!back.ok() || last == key_of(i)) << "the last up to " << key_of(i) << " is said to be " << last;
    failed += !forward.ok() + !back.ok();
  }
  EXPECT_GT(failed, 0);
}

TEST_F(StoreWithADamagedTable, NeverServesWhatACompactionMadeOfIt) {
  // When it is written until the damaged table was merged, or the store accepts nothing more.
  int writes = 0;
  while (env.FileExists(table) && ++writes < 1'000 && put("key 0", value).ok() && put("key 9", value).ok())
    env.settle();
  ASSERT_LT(writes, 1'000) << "there was no compaction: nothing was tested";
  expect_nothing_wrong_is_served();
}

// Goal: what stood there before does not come back when what replaced it cannot be read (P2).
TEST_F(StoreOnFaultyDisk, AScanPastDamageShowsNothingThatIsOld) {
  // Given a table of values, and a later one of others in their place, of which a block is damaged.
  constexpr int kValues = 40;
  const std::string before(5'000, 'o'), now(5'000, 'n');
  write_buffer_bytes = 1 << 20;  // All in one log, of which the next opening makes one table.
  for (const auto& value : {before, now}) {
    ASSERT_TRUE(open().ok());
    for (int i = 0; i < kValues; ++i) ASSERT_TRUE(put("key " + std::to_string(100 + i), value).ok());
  }
  ASSERT_TRUE(open().ok());
  close();
  std::vector<std::string> tables;
  for (const auto& file : env.files())
    if (file.ends_with(".ldb")) tables.push_back(file);
  ASSERT_EQ(tables.size(), 2u);
  std::uint64_t bytes = 0;
  ASSERT_TRUE(env.GetFileSize(tables.back(), &bytes).ok());
  ASSERT_TRUE(env.corrupt(tables.back(), bytes / 2).has_value());
  ASSERT_TRUE(open().ok());
  // When they are scanned, then all that is shown is of the later ones, and that there is damage is said.
  int shown = 0;
  const auto scanned = store->scan_past_damage("key 000", "key 999", [&](auto key, auto value) {
    EXPECT_EQ(value, now) << key;
    return ++shown < 2 * kValues;
  });
  EXPECT_FALSE(scanned.ok());
  EXPECT_GT(shown, kValues / 2);
  EXPECT_LT(shown, kValues);
}

// --- On a directory of this machine.

StoreOptions in_directory(const std::filesystem::path& directory) {
  StoreOptions options;
  options.directory = directory;
  options.partitions = 2;
  return options;
}

TEST(StoreInADirectory, IsMadeWithItsParents) {
  TemporaryDirectory directory;
  EXPECT_TRUE(Store::open(in_directory(directory.path() / "a" / "b")).ok());
}

TEST(StoreInADirectory, RefusesOneThatIsInUseUntilItIsNot) {
  // Given a store that is open.
  TemporaryDirectory directory;
  {
    const auto first = Store::open(in_directory(directory.path()));
    ASSERT_TRUE(first.ok()) << first.error().message;
    // When it is opened once more, then that is refused, and says why and what to do.
    const auto second = Store::open(in_directory(directory.path()));
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::UNAVAILABLE);
    EXPECT_THAT(second.error().message, AllOf(HasSubstr(directory.path().string()),
                                              HasSubstr("another process uses it"), HasSubstr("stop the other one")));
    // And the first goes on.
    WriteSet writes;
    writes.put("a", "1");
    EXPECT_TRUE((*first)->write(writes).ok());
  }
  EXPECT_TRUE(Store::open(in_directory(directory.path())).ok());
}

TEST(StoreInADirectory, RefusesAFileInItsPlace) {
  TemporaryDirectory directory;
  const auto file = directory.path() / "file";
  std::ofstream(file) << "not a directory";
  const auto opened = Store::open(in_directory(file));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(opened.error().message, HasSubstr(file.string()));
}

TEST(StoreInADirectory, RefusesADiskThatIsReadOnly) {
  SmallDisk disk(16 << 20);
  SKIP_WITHOUT(disk);
  ASSERT_TRUE(Store::open(in_directory(disk.path() / "data")).ok());
  disk.make_read_only();
  for (const auto* name : {"data", "new"}) {
    const auto opened = Store::open(in_directory(disk.path() / name));
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::UNAVAILABLE);
    EXPECT_THAT(opened.error().message, AllOf(HasSubstr((disk.path() / name).string()), HasSubstr("may not be written"),
                                              HasSubstr("permissions")));
  }
}

TEST(StoreInADirectory, KnowsWhatItTakesAndWhatTheDiskHasLeft) {
  constexpr std::size_t kWritten = 4 << 20;
  SmallDisk disk(16 << 20);
  SKIP_WITHOUT(disk);
  const auto opened = Store::open(in_directory(disk.path() / "data"));
  ASSERT_TRUE(opened.ok());
  const auto before = (*opened)->room();
  WriteSet writes;
  writes.put("key", std::string(kWritten, 'x'));
  ASSERT_TRUE((*opened)->write(writes).ok());
  const auto after = (*opened)->room();
  ASSERT_TRUE(before && after);
  EXPECT_LT(before->bytes, kWritten);
  EXPECT_GE(after->bytes, kWritten);
  EXPECT_LT(after->free_bytes, before->free_bytes - kWritten / 2);
}

TEST(StoreInADirectory, SaysThatItIsDamagedAndWhatToDo) {
  // Given a store whose list of tables is gone.
  TemporaryDirectory directory;
  ASSERT_TRUE(Store::open(in_directory(directory.path())).ok());
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    if (entry.path().filename().string().starts_with("MANIFEST")) std::filesystem::resize_file(entry.path(), 0);
  // When it is opened, then that is said.
  const auto opened = Store::open(in_directory(directory.path()));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::UNAVAILABLE);
  EXPECT_THAT(opened.error().message,
              AllOf(HasSubstr(directory.path().string()), HasSubstr("damaged"), HasSubstr("carillon verify")));
}

}  // namespace
}  // namespace carillon::runtime
