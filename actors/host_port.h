// Addresses that an operator gives.
#pragma once

#include <string>
#include <string_view>

#include "messages/result.h"

namespace carillon::actors {

// MALFORMED, naming `option`, unless `address` is HOST:PORT with a port from 0 to 65535. Whether the host exists is not asked.
Result<void> check_host_port(std::string_view option, const std::string& address);

}  // namespace carillon::actors
