// Web pages that the program carries with it (embed_files.cmake), and how they are served.
//
// Looking up is pure: a path is in the table or it is not, so that no trick with dots leads anywhere else. The headers keep a
// page to itself: nothing from other hosts, no script but its own files', no frame round it.
#pragma once

#include <kj/compat/http.h>

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace carillon {

struct EmbeddedFile {
  std::string_view name;   // As a path below the pages' place, without a slash at the front: `charts.js`.
  std::string_view bytes;  // Static.
};

// The files of clients/console, as `console/NAME`, and docs/openapi.json.
std::span<const EmbeddedFile> gateway_files();

namespace actors {

struct WebPage {
  std::string_view bytes;
  std::string_view content_type;
  std::string etag;  // Quoted, made of the bytes: another one after every change.
};

class WebPages {
 public:
  explicit WebPages(std::span<const EmbeddedFile> files);

  // What is at `path`, as `charts.js`; at the empty path what is at `index.html`. Null when there is nothing. Valid as long
  // as this.
  const WebPage* find(std::string_view path) const;

 private:
  std::map<std::string, WebPage, std::less<>> pages_;
};

// What a gateway serves to everybody: the console, at /console and below, and /openapi.json. Null when the method does not
// ask for a page, or `path`, the parts of a URL's path, leads to none.
const WebPage* gateway_page(kj::HttpMethod method, std::span<const std::string> path);

// Whether `if_none_match`, a header's value, names `etag` (RFC 9110, section 13.1.2).
bool names_etag(std::string_view if_none_match, std::string_view etag);

// Answers GET or HEAD with the page, or 304 when the client has it. `connect_sources` are places beside its own that the
// page may connect to, as in a Content-Security-Policy.
kj::Promise<void> send_web_page(const WebPage& page, kj::HttpMethod method, const kj::HttpHeaders& request,
                                const kj::HttpHeaderTable& table, kj::HttpService::Response& response,
                                std::string_view connect_sources = {});

}  // namespace actors
}  // namespace carillon
