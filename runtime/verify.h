// Reads a whole store and checks every invariant that can be seen at rest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "messages/entity_id.h"
#include "messages/result.h"
#include "runtime/storage.h"

namespace carillon::runtime {

// What a partition's copy is, in a store that is of a cluster.
struct CopyVerdict {
  bool is_complete = true;  // If not, nothing of it can be checked: it may have holes.
  std::string broken = {};  // A sentence, if its log is.
  bool is_applied =
      true;  // If not, the next start applies entries of its log again, which may mend what a power cut took.
};
using JudgeCopy = std::function<CopyVerdict(PartitionId, const Storage&)>;

struct Verification {
  std::vector<std::pair<std::string, std::uint64_t>> counts;  // What was read: "mailboxes", "events", …
  std::vector<std::string> broken;                            // One sentence each, with the partition in it.
  std::vector<PartitionId> incomplete;  // Copies that were being made, or were given up: of no use by themselves.
};

// Opens the store in `directory`, which no process may be using, changes nothing of its contents, and checks per
// partition: every block's checksum; that every record decodes; that offsets are contiguous; that the numbers of recent
// batches are contiguous; that cursors, snapshots, dead letters and windows agree with the mailboxes; that each hub has its beginning, or the snapshot
// behind which retention has cut it. UNAVAILABLE when
// the store cannot be opened at all.
Result<Verification> verify(const std::filesystem::path& directory, const JudgeCopy& judge = {});

}  // namespace carillon::runtime
