// WebSockets (docs/protocol.md): one connection follows many entities and publishes, in JSON. Belongs to its gateway thread.
//
// KJ's WebSocket does the framing. What a client does not take waits within limits (P7): what it follows is fed from disk within a
// feed's credit, and while its answers are not taken nothing more is read from it.
#pragma once

#include "actors/http_call.h"

namespace carillon::actors {

// Answers GET /ws: serves the connection until it ends.
kj::Promise<void> serve_websocket(HttpCall& call);

// The node stops: every client is told, and goes elsewhere.
void close_websockets(Edge& edge);

}  // namespace carillon::actors
