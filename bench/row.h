// One line of output: the result of one run, in the format of ../shared/peerbench/README.md, which says what each field means.
#pragma once

#include <cstdint>
#include <string>

#include "bench/histogram.h"

namespace carillon::bench {

struct Row {
  std::string system, version, mode, guarantee;
  double rate = 0;
  std::uint32_t notifications_per_event = 0;
  double events_per_s = 0, notifications_per_s = 0;
  double p50_ms = 0, p99_ms = 0, p999_ms = 0, max_ms = 0;
  std::uint64_t lost = 0, duplicated = 0, out_of_order = 0;
  double longest_silence_ms = 0, duration_s = 0;
  std::uint32_t producers = 0, hubs = 0, players = 0;

  void take_latencies(const Histogram& latencies);
};

// One JSON object, without the end of the line.
std::string json_of(const Row& row);

// Prints `line` and its end on stdout, at once.
void print_line(const std::string& line);

}  // namespace carillon::bench
