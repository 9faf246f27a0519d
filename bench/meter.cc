#include "bench/meter.h"

#include <algorithm>

#include "bench/clock.h"
#include "messages/result.h"

namespace carillon::bench {
namespace {

constexpr std::int64_t kKeptEveryNs = 100 * kMillisecond;

}  // namespace

void Meter::sample(std::int64_t at_ns, std::uint64_t count) {
  if (!samples_.empty()) {
    CHECK(at_ns >= samples_.back().at_ns && count >= samples_.back().count);
    if (at_ns - samples_.back().at_ns < kKeptEveryNs) return;
  }
  samples_.push_back({at_ns, count});
}

double Meter::rate_between(const Sample& from, const Sample& until) {
  if (until.at_ns <= from.at_ns) return 0;
  return static_cast<double>(until.count - from.count) / seconds_of(until.at_ns - from.at_ns);
}

std::vector<Meter::Sample> Meter::within(std::int64_t from_ns, std::int64_t until_ns) const {
  const auto first = std::ranges::lower_bound(samples_, from_ns, {}, &Sample::at_ns);
  const auto last = std::ranges::lower_bound(samples_, until_ns, {}, &Sample::at_ns);
  return {first, std::max(first, last)};
}

double Meter::rate(std::int64_t from_ns, std::int64_t until_ns) const {
  const auto inside = within(from_ns, until_ns);
  return inside.empty() ? 0 : rate_between(inside.front(), inside.back());
}

double Meter::lowest_rate(std::int64_t from_ns, std::int64_t until_ns) const {
  const auto inside = within(from_ns, until_ns);
  double lowest = rate(from_ns, until_ns);
  for (std::size_t from = 0, until = 0; from < inside.size(); ++from) {
    while (until < inside.size() && inside[until].at_ns - inside[from].at_ns < kSecond) ++until;
    if (until == inside.size()) break;
    lowest = std::min(lowest, rate_between(inside[from], inside[until]));
  }
  return lowest;
}

}  // namespace carillon::bench
