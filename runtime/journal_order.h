// Which writes of one batch of a journal need not wait for its sync.
//
// What is only to be made readable (an entry of a replica's log is applied) is done at once; so those who wait for that do not wait for
// the disk. What one partition wants written keeps its order, and so does what is synced.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "messages/entity_id.h"

namespace carillon::runtime {

// `partition_of(commit)` and `is_synced(commit)` tell of each. Returns how many need no sync; they stand first.
template <class Commit, class PartitionOf, class IsSynced>
std::size_t put_unsynced_first(std::vector<Commit>& batch, PartitionOf&& partition_of, IsSynced&& is_synced) {
  std::vector<Commit> early, rest;
  std::vector<PartitionId> waiting;  // For the sync.
  for (auto& commit : batch) {
    const PartitionId partition = partition_of(commit);
    if (!is_synced(commit) && std::ranges::find(waiting, partition) == waiting.end()) {
      early.push_back(std::move(commit));
    } else {
      waiting.push_back(partition);
      rest.push_back(std::move(commit));
    }
  }
  const auto unsynced = early.size();
  batch = std::move(early);
  std::ranges::move(rest, std::back_inserter(batch));
  return unsynced;
}

}  // namespace carillon::runtime
