// Lets a bench end well on SIGINT and SIGTERM: it stops its node and removes its data.
//
// The one global of the bench, because signals are.
#pragma once

#include <cstdint>

#include "messages/result.h"

namespace carillon::bench {

// From now on, these signals are remembered instead of obeyed. A second one ends the process at once.
void catch_interrupts();

// Sleeps until then by now_ns()'s clock; an error, at once, when somebody interrupts.
Result<void> sleep_until_ns(std::int64_t at_ns);

}  // namespace carillon::bench
