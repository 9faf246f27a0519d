#include "cli/span_text.h"

#include <array>

namespace carillon::cli {

std::string span_text(std::uint64_t span_ms) {
  struct Unit {
    std::uint64_t seconds;
    const char* name;
  };
  static constexpr std::array<Unit, 4> kUnits = {{{86'400, "d"}, {3'600, "h"}, {60, "min"}, {1, "s"}}};
  std::uint64_t seconds = span_ms / 1'000;
  for (std::size_t i = 0; i < kUnits.size(); ++i) {
    if (seconds < kUnits[i].seconds && i + 1 < kUnits.size()) continue;
    std::string text = std::to_string(seconds / kUnits[i].seconds) + " " + kUnits[i].name;
    if (i + 1 < kUnits.size() && seconds % kUnits[i].seconds >= kUnits[i + 1].seconds)
      text += " " + std::to_string(seconds % kUnits[i].seconds / kUnits[i + 1].seconds) + " " + kUnits[i + 1].name;
    return text;
  }
  return "0 s";
}

}  // namespace carillon::cli
