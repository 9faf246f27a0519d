// The system as LevelDB sees it, with one difference: its logs and tables are written as DirectFile does.
#pragma once

#include <leveldb/env.h>

#include <memory>

namespace carillon::runtime {

// Owned by the caller; outlives the database that uses it.
std::unique_ptr<leveldb::Env> make_direct_env();

}  // namespace carillon::runtime
