// The tests of the log, with a bug planted in it that the simulation meets only once in thousands of lives.
#include <gtest/gtest.h>

#include "cluster/mutation.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  carillon::cluster::planted_mutation = carillon::cluster::Mutation::kTrustUnsynced;
  return RUN_ALL_TESTS();
}
