#include "actors/store_owner.h"

#include "runtime/key.h"

namespace carillon::actors {

Result<std::string> cluster_of(const runtime::Store& store) {
  auto id = store.get(runtime::store_key(kClusterKey));
  if (!id) return id.error();
  if (*id) return std::move(**id);
  bool filled = false;
  const auto end = runtime::partition_prefix({store.format().partitions}).text();
  const auto scanned = store.scan(runtime::partition_prefix({0}), end, [&](std::string_view, std::string_view) {
    filled = true;
    return false;
  });
  if (!scanned) return scanned.error();
  if (filled)
    return Error{
        ErrorCode::MALFORMED,
        "the store was filled by a node alone, and cannot become part of a cluster: name an empty directory with "
        "--data"};
  return std::string();
}

Result<void> check_no_cluster(const runtime::Store& store) {
  const auto id = store.get(runtime::store_key(kClusterKey));
  if (!id) return id.error();
  if (*id)
    return Error{ErrorCode::MALFORMED, "the store belongs to the cluster " + **id +
                                           ": start the node with --cluster, or name another directory with --data"};
  return {};
}

}  // namespace carillon::actors
