// A new store with one partition on a disk in memory.
#pragma once

#include <memory>
#include <utility>

#include "runtime/store.h"
#include "tests/support/faulty_env.h"

namespace carillon::testing {

inline std::unique_ptr<runtime::Store> store_on(FaultyEnv& env) {
  runtime::StoreOptions options;
  options.directory = "/store";
  options.env = &env;
  options.partitions = 1;
  auto store = runtime::Store::open(options);
  CHECK(store.ok());
  return std::move(*store);
}

}  // namespace carillon::testing
