#include "messages/table_hash.h"

#include <xxhash.h>

#include <cstdint>
#include <random>

namespace carillon {

std::size_t table_hash(std::string_view name) noexcept {
  static const auto seed = [] {
    std::random_device device;
    return std::uniform_int_distribution<std::uint64_t>()(device);
  }();
  return XXH3_64bits_withSeed(name.data(), name.size(), seed);
}

}  // namespace carillon
