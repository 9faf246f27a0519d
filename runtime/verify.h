// Reads a whole store and checks every invariant that can be seen at rest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "messages/result.h"

namespace carillon::runtime {

struct Verification {
  std::vector<std::pair<std::string, std::uint64_t>> counts;  // What was read: "mailboxes", "events", …
  std::vector<std::string> broken;                            // One sentence each, with the partition in it.
};

// Opens the store in `directory`, which no process may be using, changes nothing of its contents, and checks per
// partition: every block's checksum; that every record decodes; that offsets are contiguous; that the numbers of recent
// batches are contiguous; that cursors, snapshots, dead letters and windows agree with the mailboxes; that each hub has its beginning, or the snapshot
// behind which retention has cut it. UNAVAILABLE when
// the store cannot be opened at all.
Result<Verification> verify(const std::filesystem::path& directory);

}  // namespace carillon::runtime
