// Text that people feed to the command line: lines for `publish`, and a game's log for `replay`.
#include "cli/input_line.h"
#include "examples/arena/quake_log.h"
#include "runtime/json.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  if (const auto line = cli::parse_input_line(input)) CHECK(check_json_object(line->payload).ok());
  arena::QuakeLog log;
  while (!input.empty()) {
    const auto end = std::min(input.find('\n'), input.size());
    if (const auto publication = log.take(input.substr(0, end))) CHECK(check_json_object(publication->payload).ok());
    input.remove_prefix(std::min(end + 1, input.size()));
  }
}

}  // namespace carillon
