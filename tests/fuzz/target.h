// What every fuzz target is: one function that takes any bytes. It returns, or a CHECK says what did not hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "messages/result.h"

namespace carillon {

void fuzz(std::string_view input);

}  // namespace carillon

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  carillon::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
