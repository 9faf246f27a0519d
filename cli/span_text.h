// Spans of time as people read them. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace carillon::cli {

// "3 d 4 h", "12 min", "8 s": the two largest units at most.
std::string span_text(std::uint64_t span_ms);

}  // namespace carillon::cli
