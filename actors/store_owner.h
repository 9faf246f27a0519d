// Whose a store is: a node's that is alone, or a cluster's. It never changes hands.
//
// What a node alone has written stands in no replica's log, so a cluster would not have it on its other nodes; and what a
// node alone writes into a store of a cluster would be nobody else's.
#pragma once

#include <string>
#include <string_view>

#include "runtime/store.h"

namespace carillon::actors {

inline constexpr std::string_view kClusterKey = "cluster";  // Of the store: the id of the cluster that it belongs to.

// The id of the cluster that `store` belongs to; empty for a new store. MALFORMED when a node alone has filled it.
Result<std::string> cluster_of(const runtime::Store& store);
// MALFORMED when `store` belongs to a cluster.
Result<void> check_no_cluster(const runtime::Store& store);

}  // namespace carillon::actors
