// GET /events/KIND/KEY?from=N&limit=M&wait_ms=T: a page of a mailbox, with an ETag, and with waiting for one that is not
// empty (docs/protocol.md). Belongs to its gateway thread.
#pragma once

#include "actors/http_call.h"

namespace carillon::actors {

// Answers `call`, which must outlive the promise.
kj::Promise<void> send_page(HttpCall& call);

}  // namespace carillon::actors
