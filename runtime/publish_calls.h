// The publish calls of one connection: judges every event, splits a call by partition, puts the answers together again.
//
// Pure; belongs to the gateway of the connection. It is the one FIFO path of the connection's producers, so it also keeps
// the order of what was refused.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/admission.h"
#include "runtime/behaviour.h"
#include "runtime/go_back_n.h"
#include "runtime/limits.h"
#include "runtime/partition.h"

namespace carillon::runtime {

struct PublishOutcome {
  std::uint32_t accepted = 0;
  std::uint32_t duplicates = 0;
  std::vector<ItemRefusal> refusals;  // By index.
};

class PublishCalls {
 public:
  using Number = std::uint64_t;
  // Why the node takes nothing more now, if so; asked with what would then be under way on this connection.
  using Gate = std::function<std::optional<Error>(std::size_t events, std::size_t bytes)>;
  // Whether this connection may publish to the entity; a refusal is for good.
  using Permit = std::function<Result<void>(std::string_view entity)>;
  using Item = std::function<PublicationView(std::uint32_t index)>;

  struct Finished {
    Number call = 0;
    PublishOutcome outcome;
  };
  struct Begun {
    Number call = 0;
    std::vector<std::pair<PartitionId, PublishRequest>> requests;  // To be sent in this order.
    std::optional<Finished> finished;                              // When there is nothing to wait for.
  };

  PublishCalls(SessionId session, std::uint16_t partitions, const Catalogue& catalogue, const Limits& limits)
      : session_(session), partitions_(partitions), catalogue_(&catalogue), limits_(&limits) {}

  // The views that `item` returns need to live during the call only.
  Begun begin(const ProducerId& producer, std::uint32_t count, const Item& item, const Permit& permit,
              const Gate& gate);
  // What a partition answered; answers that come twice or too late change nothing.
  std::optional<Finished> answered(const Published& published);
  // The partition was loaded anew: what it has not answered is refused as UNAVAILABLE.
  std::vector<Finished> reloaded(PartitionId partition);

  // Begun and not finished.
  std::size_t events_under_way() const { return events_under_way_; }
  std::size_t bytes_under_way() const { return bytes_under_way_; }

 private:
  struct Part {  // What one partition has not answered yet.
    PartitionId partition;
    std::uint32_t first_index = 0;
  };
  struct Placed {
    Sequence sequence = 0;
    std::uint16_t partition = kNowhere;
  };
  struct Call {
    ProducerId producer;
    PublishOutcome outcome;
    std::vector<Part> parts;
    std::vector<Placed> items;  // By index.
    std::size_t bytes = 0;
  };
  static constexpr std::uint16_t kNowhere = 0xffff;

  void refuse(Call& call, std::uint32_t index, Error error);
  Finished finish(std::unordered_map<Number, Call>::iterator call);

  SessionId session_;
  std::uint16_t partitions_;
  const Catalogue* catalogue_;
  const Limits* limits_;
  GoBackN order_;
  Number last_call_ = 0;
  std::unordered_map<Number, Call> calls_;
  std::size_t events_under_way_ = 0;
  std::size_t bytes_under_way_ = 0;
};

}  // namespace carillon::runtime
