// What the commands that publish much do when the node takes nothing.
#include "cli/bulk.h"

#include <kj/async-io.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/clients/fake_gateway.h"

namespace carillon::cli {
namespace {

using namespace std::chrono_literals;

// A node that is there and refuses all that is published as unavailable, as one does whose disk is full.
class NodeThatTakesNothing {
 public:
  NodeThatTakesNothing() {
    std::promise<std::pair<std::string, kj::Own<kj::CrossThreadPromiseFulfiller<void>>>> started;
    auto begun = started.get_future();
    thread_ = std::thread([started = std::move(started)]() mutable {
      auto io = kj::setupAsyncIo();
      client::FakeStore store;
      client::FakeGateway gateway(io, store);
      gateway.start();
      gateway.cut_off();
      auto end = kj::newPromiseAndCrossThreadFulfiller<void>();
      started.set_value({gateway.address().text(), kj::mv(end.fulfiller)});
      end.promise.wait(io.waitScope);
    });
    auto [address, end] = begun.get();
    address_ = std::move(address);
    end_ = kj::mv(end);
  }
  ~NodeThatTakesNothing() {
    end_->fulfill();
    thread_.join();
  }
  const std::string& address() const { return address_; }

 private:
  std::string address_;
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> end_;
  std::thread thread_;
};

TEST(Bulk, GivesUpWhenTheNodeHasTakenNothingForTooLongAndSaysWhy) {
  NodeThatTakesNothing node;
  Bulk bulk({.node = {.address = node.address()}, .producer = "p", .producer_by_default = {}, .patience = 1s});
  ASSERT_EQ(bulk.connect(), kOk);
  ASSERT_TRUE(bulk.offer({"player/ada", "note", "{}", 1}));
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(bulk.finish());
  const auto said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(bulk.exit_code(), kRefused);
  EXPECT_THAT(said, ::testing::HasSubstr("has taken nothing for 1 s (unavailable: refused)"));
}

// Repeated without it, under another name by chance, everything would be published twice.
TEST(Bulk, P2TheAdviceToRepeatNamesAProducerThatNobodyWouldFindAgain) {
  NodeThatTakesNothing node;
  for (const auto& [producer, is_named] : {std::pair("", true), std::pair("own", false)}) {
    Bulk bulk({.node = {.address = node.address()},
               .producer = producer,
               .producer_by_default = "cli-4711",
               .default_is_for_once = true,
               .patience = 1s});
    ASSERT_EQ(bulk.connect(), kOk);
    ASSERT_TRUE(bulk.offer({"player/ada", "note", "{}", 1}));
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(bulk.finish());
    const auto said = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(said.find("--producer cli-4711") != said.npos, is_named) << said;
    EXPECT_EQ(said.find("the same command") != said.npos, !is_named) << said;
  }
}

}  // namespace
}  // namespace carillon::cli
