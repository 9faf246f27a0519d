// Every batch of a partition leaves a witness with a contiguous number, so that a hole in LevelDB's log shows (DESIGN section 9).
// As many are kept as a log may hold batches.
#pragma once

#include <cstdint>

#include "messages/entity_id.h"
#include "messages/result.h"
#include "runtime/storage.h"

namespace carillon::runtime {

inline constexpr std::uint64_t kWitnesses = 65'536;

// The number of the last batch that is on the disk, 0 when there is none. UNAVAILABLE when some before it are missing; the message
// names them.
Result<std::uint64_t> last_witness(const Storage& storage, PartitionId partition);

}  // namespace carillon::runtime
