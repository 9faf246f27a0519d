// An etcd of its own process, on free ports and with a new data directory, for benches and tests to stop, freeze and start
// again.
//
// Used by one thread, which must outlive it: if that thread dies, the kernel kills the etcd. With a short election
// timeout, so that it is ready in a moment and grants leases of one second.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "messages/result.h"

namespace carillon::bench {

class EtcdProcess {
 public:
  // Why there can be none on this machine; empty if there can.
  static std::string why_not();

  struct Options {
    std::string directory;           // Exists, and is nobody else's; data and log are made in it.
    std::string host = "127.0.0.1";  // Where it listens.
  };
  explicit EtcdProcess(Options options) : options_(std::move(options)) {}
  ~EtcdProcess();
  EtcdProcess(const EtcdProcess&) = delete;
  EtcdProcess& operator=(const EtcdProcess&) = delete;

  // HOST:PORT for clients; the same after each start.
  std::string endpoint() const { return options_.host + ":" + std::to_string(client_port_); }
  std::uint16_t client_port() const { return client_port_; }
  bool running() const { return process_ != 0; }
  // To be copied, or replaced, while it does not run.
  std::string data_directory() const { return options_.directory + "/data"; }

  // At first on free ports, from then on with the same data and ports; returns when it is healthy.
  Result<void> start();
  // SIGKILL; returns when it is gone.
  void kill();
  // SIGSTOP and SIGCONT.
  void freeze();
  void thaw();
  // Kills it, and the next start finds no data.
  void wipe();

 private:
  bool try_start();
  void spawn();
  bool is_healthy() const;

  Options options_;
  std::uint16_t client_port_ = 0, peer_port_ = 0;  // 0 before the first start.
  pid_t process_ = 0;                              // 0 when it does not run.
};

// A port of this machine on which nobody listens, for now.
std::uint16_t free_port();

}  // namespace carillon::bench
