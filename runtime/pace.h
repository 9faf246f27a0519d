// How fast a store may be written while its compaction is behind.
#pragma once

#include <chrono>
#include <cstddef>

namespace carillon::runtime {

// The pause that should follow a write of `bytes` when `uncompacted_files` tables wait for compaction. None up to 6; from
// there on the rate is halved with every table, so that LevelDB hardly ever has to stop all writes itself, which it does
// at 12 tables, for seconds. Never longer than kPauseMax.
constexpr std::chrono::milliseconds kPauseMax{250};
std::chrono::microseconds pause_after(std::size_t bytes, std::size_t uncompacted_files);

}  // namespace carillon::runtime
