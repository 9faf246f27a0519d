// `carillon cluster recover-partition`: begins a partition again from a copy that may lack something, when all disks that had
// everything are lost. Speaks to etcd itself: the nodes have nobody to decide for them.
#pragma once

#include "cli/command.h"

namespace carillon::cli {

// Below `carillon cluster`.
void add_recover_command(CLI::App& cluster, Action& action);
// And `carillon cluster raise-epochs`: for an etcd that was restored, and has forgotten which epochs there were.
void add_raise_epochs_command(CLI::App& cluster, Action& action);

}  // namespace carillon::cli
