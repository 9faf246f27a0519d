// How CAF's workers take turns: whoever has something to do waits behind those who had before.
//
// CAF's own policy puts the actor that was just sent something before all others that wait on this worker. Then a partition runs after
// each of its hubs rather than once after all of them, and commits, emissions, acknowledgements and frames are many and small.
#pragma once

#include <caf/policy/work_stealing.hpp>
#include <caf/resumable.hpp>

namespace carillon::actors {

class FairStealing final : public caf::policy::work_stealing {
 public:
  template <class Worker>
  void internal_enqueue(Worker* worker, caf::resumable* job) {
    d(worker).queue.append(job);
  }
};

}  // namespace carillon::actors
