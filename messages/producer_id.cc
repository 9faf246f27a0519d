#include "messages/producer_id.h"

#include "messages/text.h"

namespace carillon {

ProducerId::ProducerId(char letter, std::string_view name) {
  stored_.reserve(name.size() + 1);
  stored_.append(1, letter).append(name);
}

Result<ProducerId> ProducerId::named(char letter, std::string_view name) {
  if (!is_printable_utf8(name, kNameBytesMax))
    return Error{ErrorCode::MALFORMED,
                 "a producer's name is 1 to 256 bytes of UTF-8 without control characters; this one is not"};
  return ProducerId(letter, name);
}

Result<ProducerId> ProducerId::client(std::string_view name) { return named('c', name); }
Result<ProducerId> ProducerId::node(std::string_view name) { return named('n', name); }

bool ProducerId::is_stored(std::string_view stored) {
  return stored.size() > 1 && std::string_view("chnr").find(stored[0]) != std::string_view::npos;
}

std::string_view ProducerId::label() const {
  switch (stored_[0]) {
    case 'c':
      return "client";
    case 'h':
      return "hub";
    case 'r':
      return "reminder";
    default:
      return "node";
  }
}

ProducerId ProducerId::trusted(std::string_view stored) {
  CHECK(is_stored(stored));
  return ProducerId(stored[0], stored.substr(1));
}

}  // namespace carillon
