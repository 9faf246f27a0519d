#include "bench/process_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace carillon::bench {
namespace {

// The number after `label` at the beginning of a line, as in /proc/PID/status; 0 without it.
std::uint64_t number_in(const std::filesystem::path& file, std::string_view label) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(label)) return std::stoull(line.substr(label.size()));
  return 0;
}

}  // namespace

ProcessUsage& ProcessUsage::operator+=(const ProcessUsage& other) {
  user_s += other.user_s;
  system_s += other.system_s;
  context_switches += other.context_switches;
  return *this;
}

ProcessUsage ProcessUsage::operator-(const ProcessUsage& earlier) const {
  return {user_s - earlier.user_s, system_s - earlier.system_s, context_switches - earlier.context_switches};
}

ProcessUsage usage_of(pid_t process) {
  ProcessUsage usage;
  const std::filesystem::path directory = "/proc/" + std::to_string(process);
  std::ifstream stat(directory / "stat");
  std::string text;
  std::getline(stat, text);
  // proc(5): the name is in parentheses and may hold anything; utime and stime are fields 14 and 15 of all, 12 and 13 after it.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return usage;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user_ticks = 0, system_ticks = 0;
  fields >> user_ticks >> system_ticks;
  const auto ticks_per_s = static_cast<double>(sysconf(_SC_CLK_TCK));
  usage.user_s = user_ticks / ticks_per_s;
  usage.system_s = system_ticks / ticks_per_s;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator(directory / "task", gone))
    usage.context_switches += number_in(thread.path() / "status", "voluntary_ctxt_switches:") +
                              number_in(thread.path() / "status", "nonvoluntary_ctxt_switches:");
  return usage;
}

}  // namespace carillon::bench
