#include "messages/table_hash.h"

#include <gtest/gtest.h>

#include "messages/producer_id.h"

namespace carillon {
namespace {

// Goal: nobody can choose names that fall into one place. Method: what tables use is not what all the world can compute.
TEST(TableHash, P7IsNotTheOneThatDecidesWhereAnEntityLives) {
  const auto ada = EntityId::trusted("player/ada");
  EXPECT_NE(std::hash<EntityId>()(ada), ada.hash());
  EXPECT_EQ(std::hash<EntityId>()(ada), table_hash("player/ada"));
  const auto producer = ProducerId::client("ada").value();
  EXPECT_EQ(std::hash<ProducerId>()(producer), table_hash(producer.stored()));
}

}  // namespace
}  // namespace carillon
