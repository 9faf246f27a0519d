#include "cluster/copy_verdict.h"

#include "cluster/log.h"

namespace carillon::cluster {

runtime::CopyVerdict judge_copy(PartitionId partition, const runtime::Storage& storage) {
  const auto log = Log::open(partition, {}, storage);
  if (!log) return {true, log.error().message};
  return {!log->is_installing() && log->applied() >= log->whole_from(), {}};
}

}  // namespace carillon::cluster
