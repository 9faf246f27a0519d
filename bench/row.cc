#include "bench/row.h"

#include <array>
#include <cstdio>

#include "runtime/json.h"

namespace carillon::bench {
namespace {

// As many digits as mean something.
std::string fixed(double number, int digits) {
  std::array<char, 64> text;
  return {text.data(), static_cast<std::size_t>(std::snprintf(text.data(), text.size(), "%.*f", digits, number))};
}

}  // namespace

void Row::take_latencies(const Histogram& latencies) {
  p50_ms = latencies.quantile_ms(0.5);
  p99_ms = latencies.quantile_ms(0.99);
  p999_ms = latencies.quantile_ms(0.999);
  max_ms = latencies.max_ms();
}

std::string json_of(const Row& row) {
  JsonWriter json(512);
  const auto number = [&](std::string_view name, double value, int digits) {
    json.key(name).raw(fixed(value, digits));
  };
  json.begin_object();
  json.field("system", row.system).field("version", row.version).field("mode", row.mode);
  number("rate", row.rate, 0);
  json.field("notifications_per_event", row.notifications_per_event).field("guarantee", row.guarantee);
  number("events_per_s", row.events_per_s, 1);
  number("notifications_per_s", row.notifications_per_s, 1);
  number("p50_ms", row.p50_ms, 3);
  number("p99_ms", row.p99_ms, 3);
  number("p999_ms", row.p999_ms, 3);
  number("max_ms", row.max_ms, 3);
  json.field("lost", row.lost).field("duplicated", row.duplicated).field("out_of_order", row.out_of_order);
  number("longest_silence_ms", row.longest_silence_ms, 1);
  number("duration_s", row.duration_s, 2);
  json.field("producers", row.producers).field("hubs", row.hubs).field("players", row.players);
  json.end_object();
  return json.take();
}

void print_line(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace carillon::bench
