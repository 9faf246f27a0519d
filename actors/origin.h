// Which web pages may talk to this node, by what their browsers say of them: the header fields Origin and Host.
//
// Pure. Browsers send cookies and reach the loopback interface on behalf of any page, but they never lie about Origin: a page
// of somebody else's must not open WebSockets (cross-site WebSocket hijacking), read answers (CORS, Fetch Standard section
// 3.2) or point a name of its own at this machine (DNS rebinding). What comes without an Origin comes from no page.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "messages/result.h"

namespace carillon::actors {

// SCHEME://HOST or SCHEME://HOST:PORT in lower case, without the scheme's own port, as browsers send it. MALFORMED otherwise.
Result<std::string> parse_origin(std::string_view text);

struct OriginRules {
  std::vector<std::string> allowed;  // As parse_origin gives them.
  bool on_loopback = true;  // Listens on loopback only: then `Host` must be a loopback name, or an allowed one's.
};

enum class Visitor {
  kProgram,  // No page: judged by its token alone.
  kOwnPage,  // A page that came from here.
  kAllowed,  // A page from an allowed origin: it is to be named in Access-Control-Allow-Origin.
};

// Who sends a request with these fields; empty ones are missing. FORBIDDEN when the page may not.
Result<Visitor> judge_visitor(const OriginRules& rules, std::string_view origin, std::string_view host);

}  // namespace carillon::actors
