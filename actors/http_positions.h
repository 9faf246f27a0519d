// GET and PUT /positions/KIND/KEY: how far each device has read (docs/protocol.md). Belongs to its gateway thread.
#pragma once

#include "actors/http_call.h"

namespace carillon::actors {

// Each answers `call`, which must outlive the promise.
kj::Promise<void> send_positions(HttpCall& call);
kj::Promise<void> store_position(HttpCall& call);

}  // namespace carillon::actors
