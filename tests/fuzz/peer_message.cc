// Messages between replicas, and the writes of an entry in them. What is read can be written, and is then read as the same.
#include "cluster/peer_message.h"

#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  (void)cluster::decode_writes(PartitionId{3}, input);
  const auto message = cluster::decode_peer_message(input);
  if (!message) return;
  const auto again = cluster::decode_peer_message(cluster::encode(*message));
  CHECK(again.ok());
  CHECK(*again == *message);
}

}  // namespace carillon
