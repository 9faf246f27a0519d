// A storage whose reads fail when the test says so, and go well again afterwards: a bus that hiccups, a file system that answers late.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/storage.h"

namespace carillon::testing {

class FailingReads final : public runtime::Storage {
 public:
  // Asked at every read, with the key at which it begins.
  using Fails = std::function<bool(std::string_view key)>;

  FailingReads(const runtime::Storage& storage, Fails fails) : storage_(&storage), fails_(std::move(fails)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override {
    if (fails_(key)) return error();
    return storage_->get(key);
  }
  Result<void> scan(std::string_view from, std::string_view until, const Visit& visit) const override {
    if (fails_(from)) return error();
    return storage_->scan(from, until, visit);
  }
  Result<void> scan_past_damage(std::string_view from, std::string_view until, const Visit& visit) const override {
    if (fails_(from)) return error();
    return storage_->scan_past_damage(from, until, visit);
  }
  Result<void> scan_back(std::string_view from, std::string_view until, const Visit& visit) const override {
    if (fails_(from)) return error();
    return storage_->scan_back(from, until, visit);
  }

 private:
  static Error error() { return {ErrorCode::UNAVAILABLE, "the disk cannot be read at the moment"}; }

  const runtime::Storage* storage_;
  Fails fails_;
};

}  // namespace carillon::testing
