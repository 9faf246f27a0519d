// An etcd of its own process, on free ports and with a new data directory, for tests to stop, freeze and start again.
//
// Used by one thread, which must outlive it: if that thread dies, the kernel kills the etcd. Failing to start fails the
// test. With a short election timeout, so that it is ready in a moment and grants leases of one second.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "tests/support/temporary_directory.h"

namespace carillon::testing {

class RunningEtcd {
 public:
  // Skip a test with this sentence, unless it is empty.
  static std::string why_not();

  RunningEtcd();  // Starts it.
  ~RunningEtcd();
  RunningEtcd(const RunningEtcd&) = delete;
  RunningEtcd& operator=(const RunningEtcd&) = delete;

  // HOST:PORT for clients; the same after each start.
  std::string endpoint() const { return "127.0.0.1:" + std::to_string(client_port_); }
  std::uint16_t client_port() const { return client_port_; }

  // With the same data and ports; returns when it is healthy.
  void start();
  // SIGKILL; returns when it is gone.
  void kill();
  // SIGSTOP and SIGCONT.
  void freeze();
  void thaw();
  // Kills it, and the next start finds no data.
  void wipe();

 private:
  bool try_start();
  bool is_healthy() const;
  void choose_ports();

  TemporaryDirectory directory_;
  std::uint16_t client_port_ = 0, peer_port_ = 0;
  pid_t process_ = 0;  // 0 when it does not run.
};

// A port of this machine on which nobody listens, for now.
std::uint16_t free_port();

}  // namespace carillon::testing

// First in a test, or in a fixture's SetUp.
#define SKIP_WITHOUT_ETCD() \
  if (const auto reason = ::carillon::testing::RunningEtcd::why_not(); !reason.empty()) GTEST_SKIP() << reason
