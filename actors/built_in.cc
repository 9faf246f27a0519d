#include "actors/built_in.h"

#include "actors/positions.h"
#include "actors/presence_behaviour.h"

namespace carillon::actors {

Result<Catalogue> with_built_in_behaviours(Catalogue catalogue) {
  for (const auto& behaviour : {reader_behaviour(), gateway_behaviour(), presence_behaviour()})
    if (auto added = catalogue.add(behaviour, Publishers::kNodes); !added) return added.error();
  return catalogue;
}

}  // namespace carillon::actors
