// A `carillon` command ($CARILLON_PROGRAM) that runs while the test goes on.
//
// Used by one thread, which must outlive it: if that thread dies, the kernel kills the command.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace carillon::testing {

class BackgroundCommand {
 public:
  explicit BackgroundCommand(std::vector<std::string> arguments);
  ~BackgroundCommand();  // Kills it.
  BackgroundCommand(const BackgroundCommand&) = delete;
  BackgroundCommand& operator=(const BackgroundCommand&) = delete;

  // Starts it, at first or again; not while it runs. Failing to start fails the test.
  void start();
  bool running();
  // SIGKILL; returns when it is gone.
  void kill();

  // Of the last run, once it is over: nothing when a signal ended it, or it was never started.
  std::optional<int> exit_code() const { return exit_code_; }
  // What the last run has written so far.
  std::string output() const { return content_of(output_); }
  std::string errors() const { return content_of(errors_); }

 private:
  static std::string content_of(std::FILE* file);
  void ended(int status);

  std::vector<std::string> arguments_;
  std::FILE* output_;  // Temporary files without a name.
  std::FILE* errors_;
  pid_t process_ = 0;  // 0 when it does not run.
  std::optional<int> exit_code_;
};

}  // namespace carillon::testing
