// Times as people and JSON read them. Pure.
#pragma once

#include <string>

#include "messages/event.h"

namespace carillon {

// RFC 3339 in UTC with milliseconds: "2026-11-24T04:13:37.042Z".
std::string rfc3339(UnixMs time);

}  // namespace carillon
