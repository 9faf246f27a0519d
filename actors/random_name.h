// Names for producers that nobody repeats. Any thread.
#pragma once

#include <string>

namespace carillon::actors {

// 64 random bits from the operating system, as a decimal number.
std::string random_name();

}  // namespace carillon::actors
