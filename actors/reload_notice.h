// What is to be done when a partition was loaded anew, or the way to it was lost: set by the gateway, called by actors.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "messages/entity_id.h"

namespace carillon::actors {

class ReloadNotice {
 public:
  using Notice = std::function<void(PartitionId partition, std::uint64_t life)>;

  // Once, before anything can be published.
  void set(Notice notice) {
    owned_ = std::make_unique<const Notice>(std::move(notice));
    set_.store(owned_.get(), std::memory_order_release);
  }
  // Any thread. Nothing while it is not set: then nobody waits for an answer.
  void operator()(PartitionId partition, std::uint64_t life) const {
    if (const auto* notice = set_.load(std::memory_order_acquire)) (*notice)(partition, life);
  }

 private:
  std::unique_ptr<const Notice> owned_;
  std::atomic<const Notice*> set_ = nullptr;
};

}  // namespace carillon::actors
