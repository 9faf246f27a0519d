// What `carillon verify` has to know of a replica at rest: whether its copy is complete, and whether its log can be read.
#pragma once

#include "messages/entity_id.h"
#include "runtime/verify.h"

namespace carillon::cluster {

// Of a store that belongs to no cluster: complete.
runtime::CopyVerdict judge_copy(PartitionId partition, const runtime::Storage& storage);

}  // namespace carillon::cluster
