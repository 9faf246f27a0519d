// Cells of tables for people. Pure. A cell's width is its bytes: what stands in one is ASCII, colours go round it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace carillon::cli {

inline std::string padded(std::string_view text, std::size_t columns) {
  return std::string(text) + std::string(columns > text.size() ? columns - text.size() : 0, ' ');
}

inline std::string right(std::string_view text, std::size_t columns) {
  return std::string(columns > text.size() ? columns - text.size() : 0, ' ') + std::string(text);
}

}  // namespace carillon::cli
