// An etcd of its own process, on free ports and with a new data directory, for tests to stop, freeze and start again.
//
// Used by one thread, which must outlive it: if that thread dies, the kernel kills the etcd. Failing to start fails the
// test.
#pragma once

#include <cstdint>
#include <string>

#include "bench/etcd_process.h"
#include "tests/support/temporary_directory.h"

namespace carillon::testing {

class RunningEtcd {
 public:
  // Skip a test with this sentence, unless it is empty.
  static std::string why_not() { return bench::EtcdProcess::why_not(); }

  RunningEtcd() : process_({.directory = directory_.path()}) { start(); }

  // HOST:PORT for clients; the same after each start.
  std::string endpoint() const { return process_.endpoint(); }
  std::uint16_t client_port() const { return process_.client_port(); }

  // With the same data and ports; returns when it is healthy.
  void start();
  // SIGKILL; returns when it is gone.
  void kill() { process_.kill(); }
  // SIGSTOP and SIGCONT.
  void freeze() { process_.freeze(); }
  void thaw() { process_.thaw(); }
  // Kills it, and the next start finds no data.
  void wipe() { process_.wipe(); }

 private:
  TemporaryDirectory directory_;
  bench::EtcdProcess process_;
};

using bench::free_port;

}  // namespace carillon::testing

// First in a test, or in a fixture's SetUp.
#define SKIP_WITHOUT_ETCD() \
  if (const auto reason = ::carillon::testing::RunningEtcd::why_not(); !reason.empty()) GTEST_SKIP() << reason
