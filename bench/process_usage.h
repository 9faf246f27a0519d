// What processes have used so far, as the kernel counts it.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace carillon::bench {

struct ProcessUsage {
  double user_s = 0, system_s = 0;     // CPU time of all its threads, also of those that have ended.
  std::uint64_t context_switches = 0;  // Voluntary and not, of the threads that it has now.

  ProcessUsage& operator+=(const ProcessUsage& other);
  ProcessUsage operator-(const ProcessUsage& earlier) const;
};

// All zero when there is no such process.
ProcessUsage usage_of(pid_t process);

}  // namespace carillon::bench
