// One simulated life of a cluster under faults, from one seed, and the judgement at its end.
#pragma once

#include <cstdint>

#include "tests/simulation/simulation.h"

namespace carillon::simulation {

// The same seed leads to the same life. `verbose` tells the story on stderr as it happens.
Outcome simulate_cluster(std::uint64_t seed, bool verbose);

}  // namespace carillon::simulation
