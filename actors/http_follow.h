// GET /streams/KIND/KEY?from=N: follows an entity as server-sent events (WHATWG HTML, section 9.2). `Last-Event-ID`
// resumes after the event it names. Belongs to its gateway thread.
#pragma once

#include "actors/http_call.h"

namespace carillon::actors {

// Answers `call`, which must outlive the promise; done when the client is gone or the follow has ended.
kj::Promise<void> follow_entity(HttpCall& call);

}  // namespace carillon::actors
