// How `carillon` ends; scripts rely on it, so a number never changes its meaning.
#pragma once

namespace carillon::cli {

enum ExitCode : int {
  kOk = 0,             // Done; also when whoever read our output had enough.
  kFailed = 1,         // Something broke; stderr says what.
  kUsage = 2,          // The command line or the input is not understood, or these settings cannot hold together.
  kRefused = 3,        // The node refused, with a code from the closed list.
  kCannotConnect = 4,  // No node answers there, or it went away.
};

}  // namespace carillon::cli
