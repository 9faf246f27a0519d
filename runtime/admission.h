// Judges what clients publish before it reaches a partition: its form, and whether there is room for it.
//
// Pure. The form is judged by `check_publication`; room is granted by one Admission per connection, which also keeps the
// order of what it refused (P3, P7).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "runtime/behaviour.h"
#include "runtime/limits.h"
#include "runtime/partition.h"

namespace carillon::runtime {

struct PublicationView {
  std::string_view entity, type, payload;
  Sequence sequence = 0;
  std::optional<TraceParent> traceparent = {};
};

// The item to hand to the entity's partition. MALFORMED, UNKNOWN_KIND, UNKNOWN_TYPE, FORBIDDEN or PAYLOAD_TOO_LARGE.
Result<PublishItem> check_publication(const PublicationView& publication, const ProducerId& producer,
                                      std::uint32_t index, const Catalogue& catalogue, const Limits& limits);

// MALFORMED or UNKNOWN_KIND when nothing can be asked of such an entity.
Result<EntityId> check_entity(std::string_view text, const Catalogue& catalogue);

// Remembers, per producer of one connection, which events were refused for a passing reason. What follows the first of
// them is refused too until that one comes again, so that a refusal never lets a later event overtake (go-back-N).
class Admission {
 public:
  static constexpr std::size_t kProducersMax = 1'024;  // With a refused event, of one connection.
  // Of all producers together; beyond it a producer's last one is forgotten. A client that keeps to what may be under
  // way on one connection never gets there.
  static constexpr std::size_t kRefusedMax = 16'384;

  // Whether the event may pass as far as order is concerned: OVERLOADED when an earlier one must come first,
  // LIMIT_EXCEEDED when too many producers are waited for. The first refused one itself passes, and is forgotten.
  Result<void> pass(const ProducerId& producer, Sequence sequence);
  // It was refused with OVERLOADED or UNAVAILABLE.
  void refused(const ProducerId& producer, Sequence sequence);

 private:
  std::map<ProducerId, std::set<Sequence>> refused_;
  std::size_t count_ = 0;
};

}  // namespace carillon::runtime
