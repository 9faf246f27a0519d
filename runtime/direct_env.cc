#include "runtime/direct_env.h"

#include <memory>
#include <string>

#include "runtime/direct_file.h"

namespace carillon::runtime {
namespace {

constexpr std::size_t kLogZerosAheadBytes = 256 * 1024;

class DirectEnv final : public leveldb::EnvWrapper {
 public:
  DirectEnv() : EnvWrapper(leveldb::Env::Default()) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override {
    if (name.ends_with(".log")) return DirectFile::create(name, kLogZerosAheadBytes, file);
    if (name.ends_with(".ldb")) return DirectFile::create(name, 0, file);
    return EnvWrapper::NewWritableFile(name, file);  // Small, and few.
  }
};

}  // namespace

std::unique_ptr<leveldb::Env> make_direct_env() { return std::make_unique<DirectEnv>(); }

}  // namespace carillon::runtime
