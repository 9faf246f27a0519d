// An Env under which LevelDB's logs reach the disk in their order.
//
// LevelDB goes on to a new log without a sync of the one before, whose tail may have been written without one. A power cut then
// may keep a synced write of the new log and lose what was written before it: a hole. So the log before is synced first.
// At most one database at a time uses it; its calls come as LevelDB makes them, from one writer at a time.
#pragma once

#include <leveldb/env.h>

namespace carillon::runtime {

class LogOrderEnv final : public leveldb::EnvWrapper {
 public:
  // `inner` outlives it.
  explicit LogOrderEnv(leveldb::Env* inner) : EnvWrapper(inner) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override;

 private:
  class LogFile;
  LogFile* current_ = nullptr;
};

}  // namespace carillon::runtime
