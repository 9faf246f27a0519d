#include "runtime/pace.h"

#include <algorithm>

namespace carillon::runtime {
namespace {

constexpr std::size_t kFromFiles = 7;
constexpr std::size_t kBytesPerSecond = 32u << 20;
constexpr std::size_t kHalvingsMax = 4;

}  // namespace

std::chrono::microseconds pause_after(std::size_t bytes, std::size_t uncompacted_files) {
  if (uncompacted_files < kFromFiles) return std::chrono::microseconds(0);
  const auto halvings = std::min(uncompacted_files - kFromFiles, kHalvingsMax);
  const std::chrono::microseconds pause(bytes * 1'000'000 / (kBytesPerSecond >> halvings));
  return std::min<std::chrono::microseconds>(pause, kPauseMax);
}

}  // namespace carillon::runtime
