#include "tests/simulation/leftovers.h"

#include <algorithm>
#include <optional>

#include "runtime/key.h"
#include "runtime/mailbox.h"
#include "runtime/mailbox_record.h"
#include "runtime/record.h"

namespace carillon::simulation {
namespace {

using runtime::Tag;

class Records {
 public:
  Records(const World& world, PartitionId partition, const runtime::Storage& storage)
      : world_(world), partition_(partition), storage_(storage) {}

  std::string leftover() const {
    std::string left;
    scan(Tag::kUnfinished, [&](auto key, auto) {
      left = runtime::parse_entity_key(key)->entity.text() + " is marked unfinished";
      return false;
    });
    scan(Tag::kReminder, [&](auto, auto) {
      left = "some reminder has not come";
      return false;
    });
    scan(Tag::kWindow, [&](auto key, auto value) {
      const auto& horizon = world_.settings.limits.deduplication_horizon;
      if (key[3] == 'c' && is_older(runtime::decode_window(value)->moved_at_ms, horizon))
        left = "a window is there that is older than the deduplication horizon";
      return left.empty();
    });
    std::optional<EntityId> seen;
    scan(Tag::kMailbox, [&](auto key, auto value) {
      const auto parsed = runtime::parse_entity_key(key);
      if (seen == parsed->entity) return true;
      seen = parsed->entity;
      if (may_go(parsed->entity, parsed->offset, value)) left = parsed->entity.text() + " has more than is to be kept";
      return left.empty();
    });
    return left;
  }

 private:
  void scan(Tag tag, const runtime::Storage::Visit& visit) const {
    const auto scanned = storage_.scan(runtime::tag_prefix(partition_, tag), runtime::tag_end(partition_, tag), visit);
    if (!scanned) world_.broken("P1: what is durable can be read", scanned.error().message);
  }

  bool is_older(UnixMs at, std::chrono::hours age) const {
    return at + std::chrono::duration_cast<std::chrono::milliseconds>(age).count() < world_.wall();
  }

  // The first record of a mailbox.
  bool may_go(const EntityId& entity, Offset first, std::string_view record) const {
    const auto& retention = world_.settings.retention.of(entity.kind());
    const auto events = runtime::decode_mailbox_record(record).value();
    const auto last = runtime::last_of_mailbox(storage_, partition_, entity).value();
    const auto next = first + events.size();
    if (next > std::min(last, recovered_without(entity, last) + 1)) return false;
    return next <= first + retention.surplus(runtime::Extent{first, last}.size()) ||
           (retention.age && is_older(events.back().accepted_at_ms, *retention.age));
  }

  Offset recovered_without(const EntityId& entity, Offset last) const {
    if (entity.is_player()) return last;
    const auto stored = storage_.get(runtime::entity_key(partition_, Tag::kSnapshot, entity)).value();
    return stored ? runtime::decode_snapshot(*stored)->offset : 0;
  }

  const World& world_;
  PartitionId partition_;
  const runtime::Storage& storage_;
};

}  // namespace

std::string leftover(const World& world, PartitionId partition, const runtime::Storage& storage) {
  return Records(world, partition, storage).leftover();
}

}  // namespace carillon::simulation
