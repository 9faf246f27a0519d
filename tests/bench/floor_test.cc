#include "bench/floor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temporary_directory.h"

namespace carillon::bench {
namespace {

TEST(Floor, LeavesADirectoryAsItWas) {
  // Given a directory with something of somebody else's, which has a name that the bench might use.
  const testing::TemporaryDirectory directory;
  std::ofstream(directory.path() / "journal") << "theirs";
  // When the floor is measured there, then there is a row for each measurement,
  ::testing::internal::CaptureStdout();
  const auto measured = measure_floor({.directory = directory.path(), .seconds = 0.01});
  const auto rows = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  EXPECT_EQ(std::ranges::count(rows, '\n'), 6);
  EXPECT_NE(rows.find("\"fdatasync-4k-idle\""), std::string::npos);
  // and nothing is left of it.
  const std::filesystem::directory_iterator left(directory.path());
  EXPECT_EQ(std::distance(begin(left), end(left)), 1);
}

}  // namespace
}  // namespace carillon::bench
