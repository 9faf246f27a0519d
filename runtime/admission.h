// Judges what clients publish before it reaches a partition: its form, and whether there is room for it.
//
// Pure. The form is judged by `check_publication`; room is granted by one Admission per connection, which also keeps the
// order of what it refused (P3, P7).
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "runtime/behaviour.h"
#include "runtime/limits.h"
#include "runtime/partition.h"

namespace carillon::runtime {

struct PublicationView {
  std::string_view entity, type, payload;
  Sequence sequence = 0;
};

// The item to hand to the entity's partition. MALFORMED, UNKNOWN_KIND, UNKNOWN_TYPE or PAYLOAD_TOO_LARGE.
Result<PublishItem> check_publication(const PublicationView& publication, const ProducerId& producer,
                                      std::uint32_t index, const Catalogue& catalogue, const Limits& limits);

// MALFORMED or UNKNOWN_KIND when nothing can be asked of such an entity.
Result<EntityId> check_entity(std::string_view text, const Catalogue& catalogue);

// Remembers, per producer of one connection, the first event that was refused for a passing reason. What follows it is
// refused too until it comes again, so that a refusal never lets a later event overtake (go-back-N).
class Admission {
 public:
  static constexpr std::size_t kProducersMax = 1'024;

  // Whether the event may pass as far as order is concerned. The refused one itself may, and opens the way again.
  bool passes(const ProducerId& producer, Sequence sequence);
  // It was refused with OVERLOADED or UNAVAILABLE.
  void refused(const ProducerId& producer, Sequence sequence);

 private:
  std::map<ProducerId, Sequence> first_refused_;
};

}  // namespace carillon::runtime
