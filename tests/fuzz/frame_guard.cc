// Frames of WebSocket clients. In whatever pieces they come, the verdict is the same; and nothing that is let pass may grow.
#include "actors/frame_guard.h"

#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  using actors::FrameGuard;
  constexpr std::uint64_t kMost = 1'000;
  FrameGuard whole(kMost), pieces(kMost);
  const auto verdict = whole.take(input);
  auto last = FrameGuard::Verdict::kGood;
  for (std::size_t i = 0; i < input.size() && last == FrameGuard::Verdict::kGood; ++i) {
    last = pieces.take(input.substr(i, 1));
    CHECK(pieces.message_bytes() <= kMost);
  }
  CHECK(verdict == last);
  CHECK(whole.frames() == pieces.frames());
}

}  // namespace carillon
