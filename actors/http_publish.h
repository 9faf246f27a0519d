// Publishing over HTTP: POST /events/KIND/KEY?type=T with a payload as its body, POST /events with a batch
// (docs/protocol.md). Belongs to its gateway thread.
//
// Each request has a publish path of its own: nothing is known of whom a connection's requests come from, so none of them
// waits for another.
#pragma once

#include "actors/http_call.h"

namespace carillon::actors {

// Each answers `call`, which must outlive the promise.
kj::Promise<void> publish_payload(HttpCall& call);
kj::Promise<void> publish_batch(HttpCall& call);

}  // namespace carillon::actors
