#include "actors/time_slice.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace carillon::actors {
namespace {

// As in linux/sched/types.h, which glibc 2.36 does not offer.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;    // SCHED_OTHER.
  std::uint64_t flags = 0x08;  // SCHED_FLAG_KEEP_POLICY: only what follows changes.
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

constexpr std::uint64_t kSliceNs = 100'000;

}  // namespace

void ask_for_short_time_slices() {
  SchedulingAttributes wanted;
  wanted.nice = getpriority(PRIO_PROCESS, 0);  // As it is; there is no flag for that alone.
  wanted.runtime_ns = kSliceNs;
  (void)syscall(SYS_sched_setattr, 0, &wanted, 0);
}

void let_others_go_first() {
  constexpr int kLowest = 19;
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLowest);
}

}  // namespace carillon::actors
