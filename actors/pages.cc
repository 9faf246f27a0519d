#include "actors/pages.h"

#include <strings.h>
#include <xxhash.h>

#include <array>
#include <cstdio>
#include <utility>

namespace carillon::actors {
namespace {

std::string_view content_type_of(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".json", "application/json"},
      {".webmanifest", "application/manifest+json"}};
  for (const auto& [ending, type] : kTypes)
    if (name.ends_with(ending)) return type;
  return "application/octet-stream";
}

std::string etag_of(std::string_view bytes) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "\"%016llx\"",
                static_cast<unsigned long long>(XXH64(bytes.data(), bytes.size(), 0)));
  return text.data();
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

WebPages::WebPages(std::span<const EmbeddedFile> files) {
  for (const auto& file : files)
    pages_.emplace(file.name, WebPage{file.bytes, content_type_of(file.name), etag_of(file.bytes)});
}

const WebPage* WebPages::find(std::string_view path) const {
  const auto found = pages_.find(path.empty() ? std::string_view("index.html") : path);
  return found == pages_.end() ? nullptr : &found->second;
}

const WebPage* gateway_page(kj::HttpMethod method, std::span<const std::string> path) {
  static const WebPages pages(gateway_files());
  if (method != kj::HttpMethod::GET && method != kj::HttpMethod::HEAD) return nullptr;
  if (path.empty() || path.size() > 2) return nullptr;
  if (path[0] != "console") return path.size() == 1 ? pages.find(path[0]) : nullptr;
  const bool is_front = path.size() == 1 || path[1].empty();
  return pages.find("console/" + (is_front ? "index.html" : path[1]));
}

bool names_etag(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    const auto comma = if_none_match.find(',');
    auto one = trimmed(if_none_match.substr(0, comma));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == etag || one == "*") return true;
    if (comma == std::string_view::npos) break;
    if_none_match.remove_prefix(comma + 1);
  }
  return false;
}

kj::Promise<void> send_web_page(const WebPage& page, kj::HttpMethod method, const kj::HttpHeaders& request,
                                const kj::HttpHeaderTable& table, kj::HttpService::Response& response,
                                std::string_view connect_sources) {
  kj::HttpHeaders headers(table);
  std::string policy = "default-src 'self'; connect-src 'self'";
  if (!connect_sources.empty()) policy.append(" ").append(connect_sources);
  policy += "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, kj::heapString(page.content_type.data(), page.content_type.size()));
  headers.add(kj::str("Content-Security-Policy"), kj::heapString(policy.data(), policy.size()));
  headers.add("X-Content-Type-Options", "nosniff");
  headers.add("Referrer-Policy", "no-referrer");
  headers.add("Cross-Origin-Opener-Policy", "same-origin");
  headers.add("Cross-Origin-Resource-Policy", "same-origin");
  headers.add("Cache-Control", "no-cache");  // To be asked for each time; mostly answered by 304.
  headers.add(kj::str("ETag"), kj::heapString(page.etag.data(), page.etag.size()));
  bool known = false;
  request.forEach([&](kj::StringPtr name, kj::StringPtr value) {
    if (strcasecmp(name.cStr(), "If-None-Match") == 0)
      known = known || names_etag({value.cStr(), value.size()}, page.etag);
  });
  if (known) {
    response.send(304, "Not Modified", headers, std::uint64_t{0});
    return kj::READY_NOW;
  }
  auto out = response.send(200, "OK", headers, page.bytes.size());
  if (method == kj::HttpMethod::HEAD) return kj::READY_NOW;
  return out->write(page.bytes.data(), page.bytes.size()).attach(kj::mv(out));
}

}  // namespace carillon::actors
