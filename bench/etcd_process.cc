#include "bench/etcd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

namespace carillon::bench {
namespace {

constexpr const char* kProgram = "/usr/bin/etcd";
constexpr std::chrono::seconds kReadyWithin{20};
constexpr timeval kAnswersWithin{.tv_sec = 2, .tv_usec = 0};
constexpr std::chrono::milliseconds kLookEvery{5};
constexpr int kAttempts = 5;

}  // namespace

std::uint16_t free_port() {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof at;
  CHECK(bind(file, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
  CHECK(getsockname(file, reinterpret_cast<sockaddr*>(&at), &bytes) == 0);
  close(file);
  return ntohs(at.sin_port);
}

std::string EtcdProcess::why_not() {
  if (access(kProgram, X_OK) == 0) return "";
  return "there is no /usr/bin/etcd; apt-get install etcd-server";
}

EtcdProcess::~EtcdProcess() { kill(); }

Result<void> EtcdProcess::start() {
  CHECK(process_ == 0);
  const bool is_first = client_port_ == 0;
  for (int attempt = 0; attempt < (is_first ? kAttempts : 1); ++attempt) {
    if (is_first) {
      client_port_ = free_port();  // Somebody else may take one before etcd does.
      do peer_port_ = free_port();
      while (peer_port_ == client_port_);
    }
    if (try_start()) return {};
    kill();
    if (is_first) wipe();
  }
  std::ifstream log(options_.directory + "/log");
  return Error{ErrorCode::UNAVAILABLE, "etcd did not start: " + std::string(std::istreambuf_iterator<char>(log),
                                                                            std::istreambuf_iterator<char>())};
}

bool EtcdProcess::try_start() {
  spawn();
  const auto until = std::chrono::steady_clock::now() + kReadyWithin;
  while (std::chrono::steady_clock::now() < until) {
    if (waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = 0;
      return false;
    }
    if (is_healthy()) return true;
    std::this_thread::sleep_for(kLookEvery);
  }
  return false;
}

void EtcdProcess::spawn() {
  const auto client_url = "http://" + endpoint();
  const auto peer_url = "http://127.0.0.1:" + std::to_string(peer_port_);
  std::vector<std::string> words = {kProgram,
                                    "--data-dir=" + data_directory(),
                                    "--listen-client-urls=" + client_url,
                                    "--advertise-client-urls=" + client_url,
                                    "--listen-peer-urls=" + peer_url,
                                    "--initial-advertise-peer-urls=" + peer_url,
                                    "--initial-cluster=default=" + peer_url,
                                    "--heartbeat-interval=10",
                                    "--election-timeout=100",
                                    "--logger=zap",
                                    "--log-level=warn"};
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int log = open((options_.directory + "/log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  CHECK(log >= 0);
  const pid_t parent = getpid();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    // Only what is allowed between fork and exec while other threads run.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    if (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) _exit(1);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(log);
  process_ = child;
}

bool EtcdProcess::is_healthy() const {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(file >= 0);
  setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &kAnswersWithin, sizeof kAnswersWithin);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(client_port_);
  CHECK(inet_pton(AF_INET, options_.host.c_str(), &at.sin_addr) == 1);
  constexpr std::string_view kQuestion = "GET /health HTTP/1.0\r\n\r\n";
  std::string answer;
  if (connect(file, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 &&
      send(file, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kQuestion.size())) {
    std::array<char, 1'024> chunk;
    for (ssize_t got; (got = recv(file, chunk.data(), chunk.size(), 0)) > 0;)
      answer.append(chunk.data(), static_cast<std::size_t>(got));
  }
  close(file);
  return answer.find("\"true\"") != std::string::npos;
}

void EtcdProcess::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = 0;
}

void EtcdProcess::freeze() {
  CHECK(process_ != 0);
  ::kill(process_, SIGSTOP);
}
void EtcdProcess::thaw() {
  CHECK(process_ != 0);
  ::kill(process_, SIGCONT);
}

void EtcdProcess::wipe() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(data_directory(), ignored);
}

}  // namespace carillon::bench
