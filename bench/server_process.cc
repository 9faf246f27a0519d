#include "bench/server_process.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "bench/clock.h"
#include "runtime/json.h"

namespace carillon::bench {
namespace {

using std::chrono::nanoseconds;

constexpr std::chrono::microseconds kPollEvery{500};
constexpr std::size_t kLastWordsBytes = 2'000;

Error broken(const std::string& what) { return {ErrorCode::UNAVAILABLE, what + ": " + std::strerror(errno)}; }

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

ServerProcess::~ServerProcess() {
  kill();
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Result<void> ServerProcess::make_directory() {
  const std::string& parent = options_.parent_directory;
  struct statfs where;
  if (statfs(parent.c_str(), &where) != 0) return broken("cannot use " + parent);
  const bool holds_data = options_.data_directory.empty();
  if (holds_data && (where.f_type == TMPFS_MAGIC || where.f_type == RAMFS_MAGIC))
    return Error{ErrorCode::MALFORMED,
                 parent + " is in memory (tmpfs), where a sync costs nothing; name a directory on a disk"};
  std::string pattern = parent + "/carillon-bench-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) return broken("cannot make a directory in " + parent);
  directory_ = pattern;
  return {};
}

Result<nanoseconds> ServerProcess::start() {
  CHECK(process_ == 0);
  if (directory_.empty())
    if (const auto made = make_directory(); !made.ok()) return made.error();
  const std::string ready_file = directory_ + "/ready";
  std::error_code ignored;
  std::filesystem::remove(ready_file, ignored);

  const std::int64_t began = now_ns();
  if (const auto spawned = spawn(); !spawned.ok()) return spawned.error();
  for (;;) {
    const std::string text = content_of(ready_file);
    // Until its last brace it is not complete.
    if (text.find('}') != std::string::npos) {
      if (const auto read = read_ready_file(text); !read.ok()) return read.error();
      return nanoseconds(now_ns() - began);
    }
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) == process_) {
      process_ = 0;
      return Error{ErrorCode::UNAVAILABLE, "the node ended before it was ready: " + last_words()};
    }
    if (nanoseconds(now_ns() - began) > options_.ready_within) {
      kill();
      return Error{ErrorCode::UNAVAILABLE, "the node was not ready in time: " + last_words()};
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

Result<void> ServerProcess::spawn() {
  std::vector<std::string> words = {options_.program, "serve",
                                    "--data",         data_directory(),
                                    "--listen",       "127.0.0.1:" + std::to_string(address_.port),
                                    "--ready-file",   directory_ + "/ready"};
  if (std::ranges::find(options_.arguments, "--http") == options_.arguments.end())
    words.insert(words.end(),
                 {"--http", "127.0.0.1:" + std::to_string(options_.keep_http_port ? http_address_.port : 0)});
  words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string output_file = log();
  const pid_t parent = getpid();
  const auto& network = options_.network_namespace;
  const int space = network.empty() ? -1 : open(network.c_str(), O_RDONLY | O_CLOEXEC);
  if (!network.empty() && space < 0) return broken("cannot open " + network);

  const pid_t child = fork();
  if (child > 0 && space >= 0) close(space);
  if (child < 0) return broken("cannot start a process");
  if (child == 0) {
    // Only what is allowed between fork and exec while other threads run. stdout is kept for rows.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || (space >= 0 && setns(space, CLONE_NEWNET) != 0)) _exit(1);
    const int output = open(output_file.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    if (output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) _exit(1);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  process_ = child;
  return {};
}

Result<void> ServerProcess::read_ready_file(const std::string& text) {
  JsonDocument document;
  if (const auto parsed = document.parse(text.substr(0, text.rfind('}') + 1)); !parsed.ok()) return parsed.error();
  const auto read = [&](const char* name, client::Address& address) -> Result<void> {
    const auto field = document.root().find(name);
    const auto words = field ? field->as_string() : std::nullopt;
    if (!words) return Error{ErrorCode::MALFORMED, std::string("the ready file names no ") + name + ": " + text};
    const auto parsed = client::Address::parse(*words);
    if (!parsed.ok()) return parsed.error();
    address = *parsed;
    return {};
  };
  if (auto rpc = read("rpc", address_); !rpc.ok()) return rpc;
  return read("http", http_address_);
}

Result<nanoseconds> ServerProcess::stop() {
  CHECK(process_ != 0);
  const std::int64_t began = now_ns();
  ::kill(process_, SIGTERM);
  for (;;) {
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) == process_) {
      process_ = 0;
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return Error{ErrorCode::UNAVAILABLE, "the node did not end well: " + last_words()};
      return nanoseconds(now_ns() - began);
    }
    if (nanoseconds(now_ns() - began) > options_.stop_within) {
      kill();
      return Error{ErrorCode::UNAVAILABLE, "the node did not stop in time: " + last_words()};
    }
    std::this_thread::sleep_for(kPollEvery);
  }
}

void ServerProcess::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  int status = 0;
  while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = 0;
}

bool ServerProcess::is_running() {
  int status = 0;
  if (process_ != 0 && waitpid(process_, &status, WNOHANG) == process_) process_ = 0;
  return process_ != 0;
}

std::uint64_t ServerProcess::resident_bytes() const {
  if (process_ == 0) return 0;
  std::ifstream status("/proc/" + std::to_string(process_) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  return 0;
}

std::string ServerProcess::last_words() const {
  const std::string words = content_of(log());
  return words.size() <= kLastWordsBytes ? words : "…" + words.substr(words.size() - kLastWordsBytes);
}

}  // namespace carillon::bench
