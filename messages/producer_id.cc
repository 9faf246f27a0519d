#include "messages/producer_id.h"

#include "messages/text.h"

namespace carillon {

ProducerId::ProducerId(char letter, std::string_view name) {
  stored_.reserve(name.size() + 1);
  stored_.append(1, letter).append(name);
}

Result<ProducerId> ProducerId::client(std::string_view name) {
  if (!is_printable_utf8(name, kNameBytesMax))
    return Error{ErrorCode::MALFORMED,
                 "a producer's name is 1 to 256 bytes of UTF-8 without control characters; this one is not"};
  return ProducerId('c', name);
}

ProducerId ProducerId::trusted(std::string_view stored) {
  CHECK(stored.size() > 1 && (stored[0] == 'c' || stored[0] == 'h'));
  return ProducerId(stored[0], stored.substr(1));
}

}  // namespace carillon
