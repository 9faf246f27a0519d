#include "cli/demo_page.h"

#include <strings.h>

#include "runtime/json.h"

namespace carillon::cli {
namespace {

std::string header(const kj::HttpHeaders& headers, std::string_view name) {
  std::string value;
  headers.forEach([&](kj::StringPtr known, kj::StringPtr content) {
    if (known.size() == name.size() && strncasecmp(known.cStr(), name.data(), name.size()) == 0)
      value.assign(content.cStr(), content.size());
  });
  return value;
}

std::string json_of(const DemoPage::Node& node) {
  JsonWriter json;
  json.begin_object().field("http", std::string_view(node.http)).field("process", node.process);
  return json.field("kills", node.kills).field("restart_ms", node.restart_ms).end_object().take() + "\n";
}

}  // namespace

DemoPage::DemoPage(const kj::HttpHeaderTable& table, std::function<Node()> node, std::function<void()> kill)
    : table_(table), node_(std::move(node)), kill_(std::move(kill)), pages_(hunt_files()) {}

bool DemoPage::is_own(std::string_view host, std::string_view origin) {
  const auto name = host.substr(0, host.rfind(':'));
  if (name != "127.0.0.1" && name != "localhost" && name != "[::1]") return false;
  constexpr std::string_view kScheme = "http://";
  return origin.empty() || (origin.starts_with(kScheme) && origin.substr(kScheme.size()) == host);
}

kj::Promise<void> DemoPage::send_json(Response& response, unsigned status, const char* words, std::string json) {
  kj::HttpHeaders headers(table_);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, "application/json");
  headers.add("Cache-Control", "no-store");
  headers.add("X-Content-Type-Options", "nosniff");
  auto kept = kj::heap<std::string>(std::move(json));
  auto out = response.send(status, words, headers, kept->size());
  auto& bytes = *kept;
  return out->write(bytes.data(), bytes.size()).attach(kj::mv(out), kj::mv(kept));
}

kj::Promise<void> DemoPage::request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                                    kj::AsyncInputStream&, Response& response) {
  std::string_view path(url.cStr(), url.size());
  path = path.substr(0, path.find('?'));
  if (!is_own(header(headers, "Host"), header(headers, "Origin")))
    return send_json(response, 403, "Forbidden",
                     R"({"error":"forbidden","message":"only this page itself, on a loopback address, may do that"})");
  if (path == "/kill" && method == kj::HttpMethod::POST) {
    kill_();
    return send_json(response, 200, "OK", json_of(node_()));
  }
  if (method != kj::HttpMethod::GET && method != kj::HttpMethod::HEAD)
    return send_json(response, 405, "Method Not Allowed", R"({"error":"malformed","message":"there is POST /kill"})");
  if (path == "/node") return send_json(response, 200, "OK", json_of(node_()));
  const auto* page = path.starts_with('/') ? pages_.find(path.substr(1)) : nullptr;
  if (page == nullptr)
    return send_json(response, 404, "Not Found", R"({"error":"not_found","message":"there is no such page"})");
  const auto http = node_().http;
  return actors::send_web_page(*page, method, headers, table_, response, "http://" + http + " ws://" + http);
}

}  // namespace carillon::cli
