// Holds what a simulation left on disk against what must be there, computed from scratch (P1 to P6).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "runtime/storage.h"
#include "tests/simulation/client.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/subscriber.h"
#include "tests/simulation/world.h"

namespace carillon::simulation {

// Everything was acknowledged and every hub rests; `storage` is what a power cut left. Throws Broken.
void check(const World& world, const runtime::Storage& storage, const std::vector<std::unique_ptr<Client>>& clients,
           const std::vector<std::unique_ptr<Subscriber>>& subscribers, const Operator& operations);

}  // namespace carillon::simulation
