#include "cluster/recovery.h"

#include <algorithm>
#include <string>

namespace carillon::cluster {

Result<Recovery> recovery_from(const ClusterView& view, PartitionId partition, const NodeName& from) {
  const auto* record = view.find(partition);
  if (record == nullptr)
    return Error{ErrorCode::NOT_FOUND, "the cluster has no partition " + std::to_string(partition.value)};
  for (const auto& replica : record->value.in_sync)
    if (view.is_present(replica))
      return Error{ErrorCode::FORBIDDEN,
                   "nothing need be lost: node " + replica.node +
                       " is here with a copy that is in sync (if it says that its copy is not whole, stop it first)"};
  const auto* member = view.find_member(from);
  if (member == nullptr)
    return Error{ErrorCode::NOT_FOUND, "no member of the cluster is called '" + from + "'; it must run"};
  if (!record->value.is_wanted(from))
    return Error{ErrorCode::FORBIDDEN, "node " + from + " is to have no copy of partition " +
                                           std::to_string(partition.value) + "; carillon cluster status shows who is"};
  Recovery recovery{record->value, record->revision};
  auto& next = recovery.record;
  ++next.epoch;
  next.primary = {from, member->store};
  next.in_sync = {next.primary};
  next.recovered = next.epoch;
  // The wish for a primary that comes first in the list would wait for one whose copy is still to be made.
  std::rotate(next.replicas.begin(), std::ranges::find(next.replicas, from),
              std::ranges::find(next.replicas, from) + 1);
  return recovery;
}

PartitionRecord raised(PartitionRecord record) {
  constexpr Epoch kMoreThanThereWere = 1'000'000;
  record.epoch += kMoreThanThereWere;
  return record;
}

}  // namespace carillon::cluster
