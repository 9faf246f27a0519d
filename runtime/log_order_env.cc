#include "runtime/log_order_env.h"

#include <memory>
#include <string>

namespace carillon::runtime {

class LogOrderEnv::LogFile final : public leveldb::WritableFile {
 public:
  LogFile(LogOrderEnv& env, leveldb::WritableFile* inner) : env_(env), inner_(inner) { env_.current_ = this; }
  ~LogFile() override {
    if (env_.current_ == this) env_.current_ = nullptr;
  }

  leveldb::Status Append(const leveldb::Slice& data) override { return inner_->Append(data); }
  leveldb::Status Close() override { return inner_->Close(); }
  leveldb::Status Flush() override { return inner_->Flush(); }
  leveldb::Status Sync() override { return inner_->Sync(); }

 private:
  LogOrderEnv& env_;
  std::unique_ptr<leveldb::WritableFile> inner_;
};

leveldb::Status LogOrderEnv::NewWritableFile(const std::string& name, leveldb::WritableFile** file) {
  const bool is_log = name.ends_with(".log");
  *file = nullptr;
  if (is_log && current_ != nullptr)
    if (auto synced = current_->Sync(); !synced.ok()) return synced;
  if (auto opened = EnvWrapper::NewWritableFile(name, file); !opened.ok() || !is_log) return opened;
  *file = new LogFile(*this, *file);
  return leveldb::Status::OK();
}

}  // namespace carillon::runtime
