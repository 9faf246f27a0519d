// Keeps the order of what was refused for a passing reason: what a producer sends behind its first refused event is refused too
// until that one comes again, so that a refusal never lets a later event overtake (P3). Go-back-N: A. S. Tanenbaum,
// Computer Networks, 3.4.2.
//
// Pure; belongs to one place that a producer's events come through in order.
#pragma once

#include <cstddef>
#include <map>
#include <set>

#include "messages/event.h"
#include "messages/result.h"

namespace carillon::runtime {

class GoBackN {
 public:
  static constexpr std::size_t kProducersMax = 1'024;  // With a refused event.
  // Of all producers together; beyond it a producer's last one is forgotten. A client that keeps to what may be under
  // way on one connection never gets there.
  static constexpr std::size_t kRefusedMax = 16'384;

  // Whether the event may pass as far as order is concerned: OVERLOADED when an earlier one must come first,
  // LIMIT_EXCEEDED when too many producers are waited for. The first refused one itself passes, and is forgotten.
  Result<void> pass(const ProducerId& producer, Sequence sequence);
  // It was refused with OVERLOADED or UNAVAILABLE.
  void refused(const ProducerId& producer, Sequence sequence);
  // It is waited for no more: accepted after all, as one that was sent twice, or refused for good.
  void given_up(const ProducerId& producer, Sequence sequence);

  // Of producers.
  bool is_full() const { return refused_.size() >= kProducersMax; }
  bool waits_for(const ProducerId& producer) const { return refused_.contains(producer); }

 private:
  std::map<ProducerId, std::set<Sequence>> refused_;
  std::size_t count_ = 0;
};

}  // namespace carillon::runtime
