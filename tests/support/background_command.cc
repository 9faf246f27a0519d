#include "tests/support/background_command.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "messages/result.h"
#include "tests/support/running_node.h"

namespace carillon::testing {

BackgroundCommand::BackgroundCommand(std::vector<std::string> arguments)
    : arguments_(std::move(arguments)), output_(std::tmpfile()), errors_(std::tmpfile()) {
  CHECK(output_ != nullptr && errors_ != nullptr);
  arguments_.insert(arguments_.begin(), carillon_program());
}

BackgroundCommand::~BackgroundCommand() {
  kill();
  std::fclose(output_);
  std::fclose(errors_);
}

void BackgroundCommand::start() {
  ASSERT_EQ(process_, 0);
  exit_code_.reset();
  for (std::FILE* file : {output_, errors_}) ASSERT_EQ(ftruncate(fileno(file), 0), 0) << std::strerror(errno);
  std::vector<char*> words;
  for (auto& argument : arguments_) words.push_back(argument.data());
  words.push_back(nullptr);
  const pid_t parent = getpid();
  const int output = fileno(output_), errors = fileno(errors_);

  const pid_t child = fork();
  ASSERT_GE(child, 0) << std::strerror(errno);
  if (child == 0) {
    // Only what is allowed between fork and exec while other threads run.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    if (lseek(output, 0, SEEK_SET) < 0 || lseek(errors, 0, SEEK_SET) < 0) _exit(1);
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0) _exit(1);
    execv(words[0], words.data());
    _exit(127);
  }
  process_ = child;
}

bool BackgroundCommand::running() {
  if (process_ == 0) return false;
  int status = 0;
  if (waitpid(process_, &status, WNOHANG) != process_) return true;
  ended(status);
  return false;
}

void BackgroundCommand::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  int status = 0;
  while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  ended(status);
}

void BackgroundCommand::ended(int status) {
  process_ = 0;
  if (WIFEXITED(status)) exit_code_ = WEXITSTATUS(status);
}

std::string BackgroundCommand::content_of(std::FILE* file) {
  std::string content;
  std::array<char, 4096> chunk{};
  for (;;) {
    const auto got = pread(fileno(file), chunk.data(), chunk.size(), static_cast<off_t>(content.size()));
    if (got <= 0) return content;
    content.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace carillon::testing
