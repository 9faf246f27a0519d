// One simulated life of a node under faults, from one seed, and the judgement at its end.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "tests/simulation/world.h"

namespace carillon::simulation {

struct Outcome {
  std::optional<Broken> broken;                 // Nothing when every promise held.
  std::deque<std::string> story;                // The last lines of what happened.
  std::map<std::string, std::uint64_t> counts;  // Faults and rare branches, by name.
};

// The same seed leads to the same life. `verbose` tells the story on stderr as it happens.
Outcome simulate(std::uint64_t seed, bool verbose);

}  // namespace carillon::simulation
