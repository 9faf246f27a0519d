#include "runtime/log_order_env.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/support/faulty_env.h"

namespace carillon::runtime {
namespace {

TEST(LogOrderEnv, P1TheLogBeforeIsOnDiskWhenTheNextOneBegins) {
  // Given a log whose tail was written and not synced.
  testing::FaultyEnv disk;
  LogOrderEnv env(&disk);
  ASSERT_TRUE(env.CreateDir("/store").ok());
  leveldb::WritableFile *first = nullptr, *second = nullptr;
  ASSERT_TRUE(env.NewWritableFile("/store/000003.log", &first).ok());
  const std::unique_ptr<leveldb::WritableFile> keep_first(first);
  ASSERT_TRUE(first->Append("what was written before").ok() && first->Flush().ok());
  // When the next one begins, and the power fails.
  ASSERT_TRUE(env.NewWritableFile("/store/000004.log", &second).ok());
  const std::unique_ptr<leveldb::WritableFile> keep_second(second);
  disk.power_cut();
  disk.settle();
  disk.after_restart();
  // Then the first one has kept all of it.
  std::string kept;
  ASSERT_TRUE(leveldb::ReadFileToString(&disk, "/store/000003.log", &kept).ok());
  EXPECT_EQ(kept, "what was written before");
}

}  // namespace
}  // namespace carillon::runtime
