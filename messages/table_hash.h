// Hashes names for tables in memory.
#pragma once

#include <cstddef>
#include <string_view>

namespace carillon {

// Differs from process to process, so that no client can choose names that all fall into one place of a table (P7): XXH3 with a
// random seed. Any thread.
std::size_t table_hash(std::string_view name) noexcept;

}  // namespace carillon
