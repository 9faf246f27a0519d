#include "runtime/witnesses.h"

#include <optional>
#include <string>

#include "runtime/key.h"

namespace carillon::runtime {

Result<std::uint64_t> last_witness(const Storage& storage, PartitionId partition) {
  std::uint64_t last = 0;
  std::optional<Error> hole;
  const auto scanned =
      storage.scan(tag_prefix(partition, Tag::kProgress), tag_end(partition, Tag::kProgress), [&](auto key, auto) {
        const auto batch = batch_of(key);
        if (last != 0 && batch != last + 1)
          hole = Error{ErrorCode::UNAVAILABLE, "partition " + std::to_string(partition.value) + " misses the batches " +
                                                   std::to_string(last + 1) + " to " + std::to_string(batch - 1) +
                                                   ": the log of the store is damaged; run `carillon verify`"};
        last = batch;
        return !hole;
      });
  if (!scanned) return scanned.error();
  if (hole) return *hole;
  return last;
}

}  // namespace carillon::runtime
