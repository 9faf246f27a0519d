// Serves the hunt's page beside a node: static files, what became of the node, and the button that kills it.
//
//   GET  /, /hunt.js, …        the page; /carillon/… the JavaScript client
//   GET  /node                 {"http": HOST:PORT, "process": PID, "kills": N, "restart_ms": MS}; process 0 while it is dead
//   POST /kill                 kill -9; only from this page itself (same origin), and by programs, which send no Origin
//
// Belongs to one thread, with its event loop.
#pragma once

#include <kj/compat/http.h>

#include <functional>
#include <string>

#include "actors/pages.h"

namespace carillon {

// The files of examples/hunt/page, and of clients/javascript below `carillon/`.
std::span<const EmbeddedFile> hunt_files();

namespace cli {

class DemoPage final : public kj::HttpService {
 public:
  struct Node {
    std::string http;             // HOST:PORT.
    int process = 0;              // 0 while it is dead.
    std::uint64_t kills = 0;      // By the button.
    std::int64_t restart_ms = 0;  // How long the last start took.
  };

  // `kill` ends the node's process at once. Both are called on this thread.
  DemoPage(const kj::HttpHeaderTable& table, std::function<Node()> node, std::function<void()> kill);

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override;

  // Whether a request with this Host comes to a loopback name, and with this Origin (empty: none) from a page of the same
  // place: then no page of anybody else made it, whatever its name resolves to.
  static bool is_own(std::string_view host, std::string_view origin);

 private:
  kj::Promise<void> send_json(Response& response, unsigned status, const char* words, std::string json);

  const kj::HttpHeaderTable& table_;
  std::function<Node()> node_;
  std::function<void()> kill_;
  actors::WebPages pages_;
};

}  // namespace cli
}  // namespace carillon
