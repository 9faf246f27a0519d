// The physical floor: what the disk, and LevelDB on it, do when nothing else is asked of them.
#pragma once

#include <string>

#include "messages/result.h"

namespace carillon::bench {

struct FloorOptions {
  std::string directory;  // Exists; what is written there is removed.
  double seconds = 5;     // For each measurement.
};

// Prints a row for each: 4 KiB `fdatasync` over an allocated file, one right after the other, and 10 ms after the other
// (`fdatasync-4k-idle`); LevelDB, synced batches of 1, 10, 100 and 1,000 events of 3 puts each, by one thread.
Result<void> measure_floor(const FloorOptions& options);

}  // namespace carillon::bench
