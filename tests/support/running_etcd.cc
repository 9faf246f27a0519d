#include "tests/support/running_etcd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/raw_socket.h"

namespace carillon::testing {
namespace {

constexpr const char* kProgram = "/usr/bin/etcd";
constexpr std::chrono::seconds kReadyWithin{20};
constexpr std::chrono::seconds kAnswersWithin{2};

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

std::string RunningEtcd::why_not() {
  if (access(kProgram, X_OK) == 0) return "";
  return "there is no /usr/bin/etcd; apt-get install etcd-server";
}

RunningEtcd::RunningEtcd() {
  for (int attempt = 0; attempt < 5; ++attempt) {
    choose_ports();  // Somebody else may take one before etcd does.
    if (try_start()) return;
    wipe();
  }
  std::ostringstream log;
  log << std::ifstream(directory_.path() / "log").rdbuf();
  ADD_FAILURE() << "etcd did not start:\n" << log.str();
}

RunningEtcd::~RunningEtcd() { kill(); }

void RunningEtcd::choose_ports() {
  client_port_ = free_port();
  do peer_port_ = free_port();
  while (peer_port_ == client_port_);
}

void RunningEtcd::start() { ASSERT_TRUE(try_start()) << "etcd did not start again"; }

bool RunningEtcd::try_start() {
  CHECK(process_ == 0);
  const auto client_url = "http://" + endpoint();
  const auto peer_url = "http://127.0.0.1:" + std::to_string(peer_port_);
  std::vector<std::string> words = {kProgram,
                                    "--data-dir=" + (directory_.path() / "data").string(),
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
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const int log = open((directory_.path() / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
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
  bool ended = false;
  return eventually(kReadyWithin,
                    [&] {
                      if (waitpid(process_, nullptr, WNOHANG) == process_) process_ = 0, ended = true;
                      return ended || is_healthy();
                    }) &&
         !ended;
}

bool RunningEtcd::is_healthy() const {
  RawSocket socket({"127.0.0.1", client_port_});
  return socket.connected() && socket.send("GET /health HTTP/1.0\r\n\r\n") &&
         socket.receive_until("\"true\"", kAnswersWithin).find("\"true\"") != std::string::npos;
}

void RunningEtcd::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = 0;
}

void RunningEtcd::freeze() { ASSERT_EQ(::kill(process_, SIGSTOP), 0); }
void RunningEtcd::thaw() { ASSERT_EQ(::kill(process_, SIGCONT), 0); }

void RunningEtcd::wipe() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_.path() / "data", ignored);
}

}  // namespace carillon::testing
