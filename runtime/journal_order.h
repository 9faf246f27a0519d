// Which writes of one batch of a journal need not wait for its sync.
//
// What is only to be made readable (an entry of a replica's log is applied) is done at once; so those who wait for that do not wait for
// the disk. What one partition wants written keeps its order, and so does what is synced.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "messages/entity_id.h"

namespace carillon::runtime {

// `partition_of(commit)` and `is_synced(commit)` tell of each. Returns how many need no sync; they stand first.
template <class Commit, class PartitionOf, class IsSynced>
std::size_t put_unsynced_first(std::vector<Commit>& batch, PartitionOf&& partition_of, IsSynced&& is_synced) {
  if (std::ranges::all_of(batch, is_synced)) return 0;  // As on a node alone.
  std::vector<Commit> early, rest;
  std::set<PartitionId> waiting;  // For the sync.
  for (auto& commit : batch) {
    const PartitionId partition = partition_of(commit);
    if (!is_synced(commit) && !waiting.contains(partition)) {
      early.push_back(std::move(commit));
    } else {
      waiting.insert(partition);
      rest.push_back(std::move(commit));
    }
  }
  const auto unsynced = early.size();
  batch = std::move(early);
  std::ranges::move(rest, std::back_inserter(batch));
  return unsynced;
}

}  // namespace carillon::runtime
