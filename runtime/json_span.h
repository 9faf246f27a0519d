// Finds the text of a value inside the text of a larger one, so that it can be passed on letter by letter.
//
// Pure. Only for text that was parsed before (runtime/json.h): it finds its way through valid JSON and judges nothing.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace carillon {

// The text of the first member called `name`. Nothing when there is none, when `object` is no object, or when a member before it
// has an escape in its name, so that it cannot be told by looking.
std::optional<std::string_view> json_member(std::string_view object, std::string_view name);

// The texts of an array's elements; none of anything else.
std::vector<std::string_view> json_elements(std::string_view array);

}  // namespace carillon
