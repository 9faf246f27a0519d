// The file system as LevelDB sees it, with one difference: log files are extended by zeros ahead of what is written.
//
// A sync of a file that grows must also commit the file's new size; on ext4 that costs half as much again. Writing into
// space that exists already spares it. LevelDB's log reader takes zeros for the end of the log (log_reader.cc,
// "preallocated files"). Large appends are not preceded by zeros: their sync is not what costs.
#pragma once

#include <leveldb/env.h>

#include <memory>

namespace carillon::runtime {

// Owned by the caller; outlives the database that uses it.
std::unique_ptr<leveldb::Env> make_log_env();

}  // namespace carillon::runtime
