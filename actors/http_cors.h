// Requests that web pages send: who may, and what browsers are told about it (Fetch Standard, section 3.2). Belongs to its
// gateway thread.
#pragma once

#include "actors/http_call.h"

namespace carillon::actors {

// FORBIDDEN when the page that sends the request may not talk to this node. Otherwise `call.page` is the page that is to be
// named in the answer, if any.
Result<void> judge_page(HttpCall& call);

// OPTIONS: what a page may send; asked by browsers before they send anything but the simplest requests.
kj::Promise<void> answer_preflight(HttpCall& call);

}  // namespace carillon::actors
