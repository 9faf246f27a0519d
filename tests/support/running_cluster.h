// A cluster of real processes ($CARILLON_PROGRAM), for tests of what users see: an etcd and several nodes. Failing to start
// or to come back fails the test; all of it dies with the test.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/cluster_process.h"

namespace carillon::testing {

class RunningCluster {
 public:
  struct Options {
    std::size_t nodes = 3;
    std::uint16_t partitions = 4;
    std::vector<std::string> arguments{};  // More for each `serve`.
    client::Session* session = nullptr;    // Of this thread, if there is one already.
  };

  RunningCluster() : RunningCluster(Options{}) {}
  explicit RunningCluster(Options options);
  ~RunningCluster() noexcept {}

  bench::ClusterProcess& processes() { return cluster_; }
  client::Session& session() { return cluster_.session(); }
  client::Addresses addresses() const { return cluster_.addresses(); }
  bench::ServerProcess& node(std::size_t number) { return cluster_.node(number); }

  // SIGKILL; SIGSTOP and SIGCONT; SIGTERM, and it must end well; start again.
  void kill(std::size_t number) { cluster_.node(number).kill(); }
  void freeze(std::size_t number) { cluster_.freeze(number); }
  void thaw(std::size_t number) { cluster_.thaw(number); }
  void stop(std::size_t number);
  void start(std::size_t number);

  std::size_t primary_of(std::string_view entity);
  // Until all replicas are in sync and the primaries spread.
  void await_in_sync();
  // Until another node than `number` is primary of the entity.
  void await_successor(std::string_view entity, std::size_t number);
  // Until `number` is in no in-sync set.
  void await_left_out(std::size_t number);

 private:
  bench::ClusterProcess cluster_;
};

}  // namespace carillon::testing
