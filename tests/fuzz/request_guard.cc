// The bytes of HTTP requests, in any pieces: the verdict does not depend on them.
#include "actors/request_guard.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  if (input.empty()) return;
  const std::size_t piece = 1 + static_cast<unsigned char>(input[0]) % 7;
  const auto bytes = input.substr(1);
  actors::RequestGuard whole, pieces;
  const bool took = whole.take(bytes);
  bool so_far = true;
  for (std::size_t at = 0; at < bytes.size() && so_far; at += piece) so_far = pieces.take(bytes.substr(at, piece));
  CHECK(so_far == took);
}

}  // namespace carillon
