// Damages files on disk as a worn-out medium does: the bits of one byte turn over.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace carillon::testing {

inline std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Of `directory`, sorted by name.
inline std::vector<std::filesystem::path> files_ending(const std::filesystem::path& directory, std::string_view end) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().string().ends_with(end)) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

inline void damage_byte(const std::filesystem::path& file, std::uint64_t at) {
  std::fstream bytes(file, std::ios::binary | std::ios::in | std::ios::out);
  bytes.seekg(static_cast<std::streamoff>(at));
  const int byte = bytes.get();
  CHECK(bytes.good());
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(static_cast<char>(~byte));
  CHECK(bytes.flush().good());
}

// Where `text` stands in the one of `files` that holds it: to damage exactly that.
inline void damage_where(const std::vector<std::filesystem::path>& files, std::string_view text) {
  for (const auto& file : files)
    if (const auto at = content_of(file).find(text); at != std::string::npos) return damage_byte(file, at);
  CHECK(!"the text is in none of the files");
}

}  // namespace carillon::testing
