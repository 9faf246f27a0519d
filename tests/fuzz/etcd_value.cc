// What somebody may have put into etcd.
#include "cluster/etcd_client.h"
#include "cluster/partition_record.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  (void)cluster::decode_partition_record(input);
  (void)cluster::decode_member(input);
  (void)cluster::decode_cluster_format(input);
  (void)cluster::EtcdClient::parse_endpoints(input);
}

}  // namespace carillon
