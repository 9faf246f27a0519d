// Lays JSON out for people: two spaces, short objects and arrays on one line. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace carillon::cli {

// `json` is one JSON object; what is none is returned as it is. Every line begins with `indent` spaces.
std::string pretty_json(std::string_view json, std::size_t indent = 0);

}  // namespace carillon::cli
