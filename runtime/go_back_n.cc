#include "runtime/go_back_n.h"

#include <iterator>

#include "runtime/mutation.h"

namespace carillon::runtime {

Result<void> GoBackN::pass(const ProducerId& producer, Sequence sequence) {
  if (refused_.empty() || mutated(Mutation::kLetOvertake)) return {};
  const auto found = refused_.find(producer);
  if (found == refused_.end()) {
    if (!is_full()) return {};
    return Error{ErrorCode::LIMIT_EXCEEDED,
                 "too many producers have refused events to begin again at; send those, or open another connection", 0};
  }
  if (sequence > *found->second.begin())
    return Error{ErrorCode::OVERLOADED, "an earlier event of this producer was refused; begin again there", 0};
  given_up(producer, sequence);
  return {};
}

void GoBackN::given_up(const ProducerId& producer, Sequence sequence) {
  const auto found = refused_.find(producer);
  if (found == refused_.end()) return;
  count_ -= found->second.erase(sequence);
  if (found->second.empty()) refused_.erase(found);
}

void GoBackN::refused(const ProducerId& producer, Sequence sequence) {
  auto& sequences = refused_[producer];
  count_ += sequences.insert(sequence).second ? 1 : 0;
  if (count_ <= kRefusedMax || sequences.size() == 1) return;
  sequences.erase(std::prev(sequences.end()));
  --count_;
}

}  // namespace carillon::runtime
