// A test with a real etcd, a KJ event loop on its thread, and a client between them.
#pragma once

#include <gtest/gtest.h>
#include <kj/async-io.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cluster/etcd_client.h"
#include "tests/support/running_etcd.h"

namespace carillon::cluster {

class EtcdTest : public ::testing::Test {
 protected:
  ~EtcdTest() noexcept override {}  // KJ's destructors may throw, those of fixtures may not.

  void SetUp() override {
    SKIP_WITHOUT_ETCD();
    etcd_ = std::make_unique<carillon::testing::RunningEtcd>();
    client_ = std::make_unique<EtcdClient>(network(), timer(), std::vector{etcd_->endpoint()}, kPatient);
  }

  kj::Network& network() { return io_.provider->getNetwork(); }
  kj::Timer& timer() { return io_.provider->getTimer(); }

  template <class T>
  T wait(kj::Promise<T> promise) {
    return timer().timeoutAfter(kPatience, kj::mv(promise)).wait(io_.waitScope);
  }
  // Turns the loop until `happened()`; false when it has not within the patience.
  template <class Happened>
  bool eventually(Happened happened) {
    const auto until = timer().now() + kPatience;
    while (!happened()) {
      if (timer().now() >= until) return false;
      timer().afterDelay(5 * kj::MILLISECONDS).wait(io_.waitScope);
    }
    return true;
  }
  Revision written(kj::Promise<WriteOutcome> promise) {
    const auto outcome = wait(kj::mv(promise));
    EXPECT_TRUE(outcome.done()) << outcome.error.message;
    return outcome.revision;
  }

  static constexpr auto kPatience = 15 * kj::SECONDS;
  static constexpr EtcdClient::Timeouts kTimeouts{.connect_within = std::chrono::milliseconds(500),
                                                  .request_within = std::chrono::milliseconds(1'000),
                                                  .retry_first = std::chrono::milliseconds(5),
                                                  .retry_longest = std::chrono::milliseconds(50),
                                                  .check_watch_every = std::chrono::milliseconds(100)};
  // For those whose etcd answers, however busy the machine and its disk.
  static constexpr EtcdClient::Timeouts kPatient = [] {
    auto timeouts = kTimeouts;
    timeouts.connect_within = timeouts.request_within = std::chrono::seconds(10);
    return timeouts;
  }();

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::unique_ptr<carillon::testing::RunningEtcd> etcd_;
  std::unique_ptr<EtcdClient> client_;
};

}  // namespace carillon::cluster
