// How fast a count grew, and how slowly at worst: samples of it, taken while something happens.
//
// Pure, and used by one thread; who takes the samples brings the time.
#pragma once

#include <cstdint>
#include <vector>

namespace carillon::bench {

class Meter {
 public:
  // Times and counts must not fall. More often than every hundred milliseconds is more than is kept.
  void sample(std::int64_t at_ns, std::uint64_t count);

  // Per second, in [from, until) as the samples that are nearest inside it tell; 0 when there are less than two.
  double rate(std::int64_t from_ns, std::int64_t until_ns) const;
  // The lowest of any time of a second in it, or of all of it when it is shorter.
  double lowest_rate(std::int64_t from_ns, std::int64_t until_ns) const;

 private:
  struct Sample {
    std::int64_t at_ns = 0;
    std::uint64_t count = 0;
  };
  static double rate_between(const Sample& from, const Sample& until);
  std::vector<Sample> within(std::int64_t from_ns, std::int64_t until_ns) const;

  std::vector<Sample> samples_;
};

}  // namespace carillon::bench
