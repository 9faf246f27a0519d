#include "cli/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace carillon::cli {
namespace {

// In a process of its own, whose stdout is `descriptor`: prints, and ends with 0 when the trouble is `expected`.
void print_to(int descriptor, const std::string& expected) {
  std::signal(SIGPIPE, SIG_IGN);
  dup2(descriptor, STDOUT_FILENO);
  const bool printed = print_line("a line");
  std::_Exit(!printed && output_trouble() == expected ? 0 : 1);
}

TEST(Terminal, AFullDiskIsTrouble) {
  EXPECT_EXIT(print_to(open("/dev/full", O_WRONLY), std::strerror(ENOSPC)), ::testing::ExitedWithCode(0), "");
}

TEST(Terminal, AReaderWhoHasHadEnoughIsNone) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  close(pipe_ends[0]);
  EXPECT_EXIT(print_to(pipe_ends[1], ""), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace carillon::cli
