#include "actors/frame_guard.h"

#include <gmock/gmock.h>

#include "tests/support/web_socket.h"

namespace carillon::actors {
namespace {

using testing::frame_of;
using testing::Opcode;
using Verdict = FrameGuard::Verdict;

// All at once and byte by byte, which must be the same.
Verdict judged(const std::string& bytes, std::uint64_t message_bytes_max = 1'000) {
  FrameGuard whole(message_bytes_max), pieces(message_bytes_max);
  const auto verdict = whole.take(bytes);
  auto last = Verdict::kGood;
  for (std::size_t i = 0; i < bytes.size() && last == Verdict::kGood; ++i) last = pieces.take({&bytes[i], 1});
  EXPECT_EQ(verdict, last);
  EXPECT_EQ(whole.frames(), pieces.frames());
  return verdict;
}

TEST(FrameGuard, LetsMessagesFragmentsAndControlFramesPass) {
  std::string all = frame_of("") + frame_of(std::string(125, 'a')) + frame_of(std::string(126, 'a')) +
                    frame_of(std::string(1'000, 'a'), {.opcode = Opcode::kBinary});
  all += frame_of("a", {.last = false}) + frame_of("still there", {.opcode = Opcode::kPing}) +
         frame_of("b", {.opcode = Opcode::kContinuation, .last = false}) +
         frame_of("c", {.opcode = Opcode::kContinuation});
  all += frame_of("\x03\xe8", {.opcode = Opcode::kClose});
  EXPECT_EQ(judged(all), Verdict::kGood);
  FrameGuard guard(1'000);
  EXPECT_EQ(guard.take(all), Verdict::kGood);
  EXPECT_EQ(guard.frames(), 9u);
  EXPECT_EQ(guard.pings(), 1u);
  EXPECT_EQ(guard.message_bytes(), 0u);
}

TEST(FrameGuard, CountsWhatTheFragmentsOfAMessageSayThatTheyHave) {
  FrameGuard guard(1'000);
  EXPECT_EQ(guard.take(frame_of(std::string(300, 'a'), {.last = false})), Verdict::kGood);
  EXPECT_EQ(guard.take(frame_of("still there", {.opcode = Opcode::kPing})), Verdict::kGood);
  EXPECT_EQ(guard.take(frame_of("", {.opcode = Opcode::kContinuation, .said_length = 400})), Verdict::kGood);
  EXPECT_EQ(guard.message_bytes(), 700u);
  EXPECT_EQ(guard.take(std::string(399, 'a')), Verdict::kGood);
  EXPECT_EQ(guard.message_bytes(), 700u);
  EXPECT_EQ(guard.take("a"), Verdict::kGood);
  EXPECT_EQ(guard.message_bytes(), 0u);
}

TEST(FrameGuard, IsNotTakenIn) {
  for (const auto& bytes :
       {frame_of("a", {.masked = false}), frame_of("a", {.reserved_bits = 0x40}),
        frame_of("a", {.reserved_bits = 0x10}), frame_of("a", {.opcode = static_cast<Opcode>(3)}),
        frame_of("a", {.opcode = static_cast<Opcode>(7)}), frame_of("a", {.opcode = static_cast<Opcode>(11)}),
        frame_of("a", {.opcode = static_cast<Opcode>(15)}), frame_of("a", {.opcode = Opcode::kContinuation}),
        frame_of("a", {.last = false}) + frame_of("b"), frame_of("a", {.opcode = Opcode::kPing, .last = false}),
        frame_of(std::string(126, 'a'), {.opcode = Opcode::kPong})})
    EXPECT_EQ(judged(bytes), Verdict::kNoFrames);
}

TEST(FrameGuard, LetsNothingGrow) {
  EXPECT_EQ(judged(frame_of("", {.said_length = 1'001})), Verdict::kTooBig);
  EXPECT_EQ(judged(frame_of("", {.said_length = ~std::uint64_t{0}})), Verdict::kTooBig);
  EXPECT_EQ(
      judged(frame_of(std::string(999, 'a'), {.last = false}) + frame_of("bb", {.opcode = Opcode::kContinuation})),
      Verdict::kTooBig);
  std::string empty = frame_of("", {.last = false});
  for (std::size_t i = 0; i < FrameGuard::kFragmentsMax; ++i)
    empty += frame_of("", {.opcode = Opcode::kContinuation, .last = false});
  EXPECT_EQ(judged(empty), Verdict::kTooBig);
}

}  // namespace
}  // namespace carillon::actors
