// Between Cap'n Proto and a socket: few calls of the kernel, and not a byte lost, doubled or out of place (P1, P3).
#include "messages/gathering_stream.h"

#include <gtest/gtest.h>
#include <kj/async-io.h>
#include <kj/debug.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace carillon {
namespace {

// The other end, in memory: counts what it is asked for, and takes in or gives only what it is told to.
class Wire final : public kj::AsyncIoStream {
 public:
  struct Shared {
    std::string coming, gone;
    std::vector<std::size_t> writes;  // Bytes of each.
    unsigned reads = 0;
    bool shut = false, aborted = false, broken = false;
    kj::Own<kj::PromiseFulfiller<void>> stuck;  // A write that is not done until it is fulfilled.
    bool gets_stuck = false;
  };
  explicit Wire(Shared& shared) : shared_(shared) {}

  kj::Promise<std::size_t> read(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    return tryRead(buffer, bytes_min, bytes_max);
  }
  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t, std::size_t bytes_max) override {
    ++shared_.reads;
    const auto bytes = shared_.coming.copy(static_cast<char*>(buffer), bytes_max);
    shared_.coming.erase(0, bytes);
    return bytes;
  }
  kj::Promise<void> write(const void* buffer, std::size_t bytes) override {
    if (shared_.broken) return KJ_EXCEPTION(DISCONNECTED, "cut");
    shared_.gone.append(static_cast<const char*>(buffer), bytes);
    shared_.writes.push_back(bytes);
    if (!shared_.gets_stuck) return kj::READY_NOW;
    auto done = kj::newPromiseAndFulfiller<void>();
    shared_.stuck = kj::mv(done.fulfiller);
    return kj::mv(done.promise);
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    std::string all;
    for (const auto& piece : pieces) all.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
    return write(all.data(), all.size());
  }
  kj::Promise<void> whenWriteDisconnected() override { return kj::NEVER_DONE; }
  void shutdownWrite() override { shared_.shut = true; }
  void abortRead() override { shared_.aborted = true; }

 private:
  Shared& shared_;
};

class GatheringStreamTest : public ::testing::Test {
 protected:
  ~GatheringStreamTest() noexcept override = default;

  std::string read(std::size_t bytes_min, std::size_t bytes_max) {
    std::string into(bytes_max, '\0');
    into.resize(stream->tryRead(into.data(), bytes_min, bytes_max).wait(scope));
    return into;
  }
  kj::Promise<void> write(std::string_view bytes) { return stream->write(bytes.data(), bytes.size()); }
  void go_on() { scope.poll(); }

  kj::EventLoop loop;
  kj::WaitScope scope{loop};
  Wire::Shared wire;
  kj::Own<GatheringStream> stream = kj::heap<GatheringStream>(kj::heap<Wire>(wire));
};

TEST_F(GatheringStreamTest, ManySmallReadsAreOneOfTheConnection) {
  wire.coming = "headbodyheadbody";
  EXPECT_EQ(read(4, 4), "head");
  EXPECT_EQ(read(4, 4), "body");
  EXPECT_EQ(read(1, 100), "headbody");
  EXPECT_EQ(wire.reads, 1u);
}

TEST_F(GatheringStreamTest, P3WhatIsLargeComesBehindWhatWasReadAhead) {
  // Given a large message behind a small one,
  const std::string large(3 * GatheringStream::kAheadBytes, 'x');
  wire.coming = "small" + large + "next";
  EXPECT_EQ(read(5, 5), "small");
  // when as much is asked for, then it is that message, and what follows stays for who asks next.
  EXPECT_EQ(read(large.size(), large.size()), large);
  EXPECT_EQ(read(4, 4), "next");
}

TEST_F(GatheringStreamTest, AnEndWithinAMessageIsAShortRead) {
  wire.coming = "ha";
  EXPECT_EQ(read(4, 4), "ha");
  EXPECT_EQ(read(4, 4), "");
}

TEST_F(GatheringStreamTest, P3WritesCloseToOneAnotherLeaveAsOneInTheirOrder) {
  write("one").wait(scope);
  write("two").wait(scope);
  const kj::ArrayPtr<const kj::byte> pieces[] = {kj::StringPtr("th").asBytes(), kj::StringPtr("ree").asBytes()};
  stream->write(pieces).wait(scope);
  EXPECT_EQ(wire.writes.size(), 0u);
  go_on();
  EXPECT_EQ(wire.writes.size(), 1u);
  EXPECT_EQ(wire.gone, "onetwothree");
  write("four").wait(scope);
  go_on();
  EXPECT_EQ(wire.gone, "onetwothreefour");
}

TEST_F(GatheringStreamTest, P3WhatIsLargeLeavesBehindWhatWaits) {
  const std::string large(GatheringStream::kCopiedBytesMax, 'x');
  write("small").wait(scope);
  write(large).wait(scope);
  write("next").wait(scope);
  go_on();
  EXPECT_EQ(wire.gone, "small" + large + "next");
}

TEST_F(GatheringStreamTest, P7ForAConnectionThatTakesNothingInOnlySoMuchIsHeld) {
  // Given a connection that does not get on with a write,
  wire.gets_stuck = true;
  write("first").wait(scope);
  go_on();
  // when more is written,
  const std::string some(1'000, 'x');
  std::size_t taken = 0;
  while (taken < 10 * GatheringStream::kUnwrittenBytesMax) {
    auto written = write(some);
    taken += some.size();
    if (!written.poll(scope)) break;
  }
  // then it is soon to be waited for.
  EXPECT_GE(taken, GatheringStream::kUnwrittenBytesMax);
  EXPECT_LT(taken, GatheringStream::kUnwrittenBytesMax + 2 * some.size());
  auto last = write("last");
  EXPECT_FALSE(last.poll(scope));
  // When the connection gets on, then all of it leaves.
  wire.gets_stuck = false;
  wire.stuck->fulfill();
  last.wait(scope);
  EXPECT_EQ(wire.gone.size(), 5 + taken + 4);
  EXPECT_TRUE(wire.gone.ends_with("xlast"));
}

TEST_F(GatheringStreamTest, P1AWriteThatFailsLaterEndsTheReadingAndAllLaterWrites) {
  wire.broken = true;
  write("lost").wait(scope);
  go_on();
  EXPECT_TRUE(wire.aborted);
  EXPECT_TRUE(kj::runCatchingExceptions([&] { write("more").wait(scope); }) != nullptr);
}

TEST_F(GatheringStreamTest, TheEndComesBehindWhatWaits) {
  write("goodbye").wait(scope);
  stream->shutdownWrite();
  EXPECT_FALSE(wire.shut);
  go_on();
  EXPECT_TRUE(wire.shut);
  EXPECT_EQ(wire.gone, "goodbye");
}

TEST_F(GatheringStreamTest, WhatWaitsLeavesWhenItIsDestroyed) {
  write("goodbye").wait(scope);
  stream = nullptr;
  EXPECT_EQ(wire.gone, "goodbye");
}

}  // namespace
}  // namespace carillon
