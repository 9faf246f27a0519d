#include "tests/support/running_etcd.h"

#include <gtest/gtest.h>

namespace carillon::testing {

void RunningEtcd::start() {
  const auto started = process_.start();
  ASSERT_TRUE(started.ok()) << started.error().message;
}

}  // namespace carillon::testing
