#include "runtime/direct_env.h"

#include <sys/resource.h>

#include <memory>
#include <string>

#include "runtime/direct_file.h"

namespace carillon::runtime {
namespace {

constexpr std::size_t kLogZerosAheadBytes = 256 * 1024;
constexpr int kBackgroundNice = 10;

struct Job {
  void (*run)(void*);
  void* argument;
};

void run_in_background(void* passed) {
  // Of this thread alone, as Linux has it; the thread is LevelDB's, so it is told once.
  thread_local const int told = setpriority(PRIO_PROCESS, 0, kBackgroundNice);
  (void)told;
  const std::unique_ptr<Job> job(static_cast<Job*>(passed));
  job->run(job->argument);
}

class DirectEnv final : public leveldb::EnvWrapper {
 public:
  DirectEnv() : EnvWrapper(leveldb::Env::Default()) {}

  leveldb::Status NewWritableFile(const std::string& name, leveldb::WritableFile** file) override {
    if (name.ends_with(".log")) return DirectFile::create(name, kLogZerosAheadBytes, file);
    if (name.ends_with(".ldb")) return DirectFile::create(name, 0, file);
    return EnvWrapper::NewWritableFile(name, file);  // Small, and few.
  }

  void Schedule(void (*run)(void*), void* argument) override {
    EnvWrapper::Schedule(run_in_background, new Job{run, argument});
  }
};

}  // namespace

std::unique_ptr<leveldb::Env> make_direct_env() { return std::make_unique<DirectEnv>(); }

}  // namespace carillon::runtime
