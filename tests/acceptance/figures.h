// What `carillon replay --json` and `carillon verify --json` print, as counts by name.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "runtime/json.h"

namespace carillon::testing {

// Members of a JSON object that are no counts are left out. What is no JSON object fails the test.
inline std::map<std::string, std::uint64_t> figures_of(const std::string& json) {
  std::map<std::string, std::uint64_t> figures;
  JsonDocument document;
  if (!document.parse(json).ok()) {
    ADD_FAILURE() << "not a JSON object: " << json;
    return figures;
  }
  for (std::size_t i = 0; i < document.root().size(); ++i)
    if (const auto figure = document.root().member(i).as_uint64())
      figures[std::string(document.root().member_name(i))] = *figure;
  return figures;
}

}  // namespace carillon::testing
