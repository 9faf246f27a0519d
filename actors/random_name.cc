#include "actors/random_name.h"

#include <cstdint>
#include <random>

namespace carillon::actors {

std::string random_name() {
  std::random_device bits;
  return std::to_string((std::uint64_t{bits()} << 32) | bits());
}

}  // namespace carillon::actors
