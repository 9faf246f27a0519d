#include "actors/watched_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_directory.h"

namespace carillon::actors {
namespace {

class Watched : public ::testing::Test {
 protected:
  void write(const std::string& content) const { std::ofstream(path) << content; }

  const testing::TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "keys";
  WatchedFile file{path};
};

TEST_F(Watched, OneThatComesIsRead) {
  // Given a file that is not there.
  EXPECT_FALSE(file.read().ok());
  EXPECT_FALSE(file.has_changed());
  // When it comes, then that is seen once.
  write("a");
  EXPECT_TRUE(file.has_changed());
  EXPECT_EQ(file.read().value(), "a");
  EXPECT_FALSE(file.has_changed());
}

TEST_F(Watched, OneThatIsReplacedIsReadAgain) {
  write("a");
  ASSERT_TRUE(file.read().ok());
  std::ofstream(directory.path() / "next") << "b";
  std::filesystem::rename(directory.path() / "next", path);
  EXPECT_TRUE(file.has_changed());
  EXPECT_EQ(file.read().value(), "b");
}

// Somebody has found out why the node could not read it, and has given it the right to.
TEST_F(Watched, P9OneWhoseModeIsMendedIsReadAgain) {
  write("a");
  ASSERT_TRUE(file.read().ok());
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  EXPECT_TRUE(file.has_changed());
}

TEST_F(Watched, OneThatIsTooLongIsNot) {
  write(std::string(WatchedFile::kBytesMax + 1, 'x'));
  EXPECT_THAT(file.read().error().message, ::testing::HasSubstr("longer than 256 KiB"));
  EXPECT_FALSE(file.has_changed());
}

}  // namespace
}  // namespace carillon::actors
