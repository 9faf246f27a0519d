// What a partition whose node is at rest has yet to do, as its records show it.
#pragma once

#include <string>

#include "runtime/storage.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

// A sentence on one thing that is left: a hub that is marked unfinished, a reminder, events beyond their retention, a window
// beyond the deduplication horizon. Empty when there is nothing. Throws Broken when the records cannot be read.
std::string leftover(const World& world, PartitionId partition, const runtime::Storage& storage);

}  // namespace carillon::simulation
