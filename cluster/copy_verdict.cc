#include "cluster/copy_verdict.h"

#include "cluster/log.h"

namespace carillon::cluster {

runtime::CopyVerdict judge_copy(PartitionId partition, const runtime::Storage& storage) {
  const auto log = Log::open(partition, {}, storage);
  if (!log) return {.broken = log.error().message};
  return {.is_complete = !log->is_installing() && log->applying() >= log->whole_from(),
          .is_applied = log->applied() >= log->applying()};
}

}  // namespace carillon::cluster
