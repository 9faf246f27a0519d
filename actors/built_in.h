// The behaviours that every node has beside those of its program: positions, and who is there. Pure.
#pragma once

#include "runtime/behaviour.h"

namespace carillon::actors {

// MALFORMED when the catalogue has one of these kinds already: `gateway`, `presence`, `reader`.
Result<Catalogue> with_built_in_behaviours(Catalogue catalogue);

}  // namespace carillon::actors
