#include "actors/http_target.h"

#include <kj/compat/url.h>

#include <algorithm>
#include <charconv>

namespace carillon::actors {

std::optional<HttpTarget> HttpTarget::parse(std::string_view text) {
  const std::string terminated(text);
  KJ_IF_MAYBE (url, kj::Url::tryParse(kj::StringPtr(terminated.c_str(), terminated.size()), kj::Url::HTTP_REQUEST)) {
    HttpTarget target;
    for (const auto& part : url->path) target.path.emplace_back(part.cStr(), part.size());
    for (const auto& parameter : url->query)
      target.query.emplace(std::string(parameter.name.cStr(), parameter.name.size()),
                           std::string(parameter.value.cStr(), parameter.value.size()));
    if (target.path.empty()) return std::nullopt;
    // KJ leaves out empty parts, "." and "..": that would name another entity.
    const auto path = text.substr(0, text.find('?'));
    const auto parts = static_cast<std::size_t>(std::ranges::count(path, '/'));
    if (target.names_entity() && parts != target.path.size()) return std::nullopt;
    return target;
  }
  return std::nullopt;
}

std::string_view HttpTarget::parameter(std::string_view name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string_view() : std::string_view(found->second);
}

std::string HttpTarget::entity() const {
  std::string text = path[1] + "/" + path[2];
  for (std::size_t i = 3; i < path.size(); ++i) text += "/" + path[i];
  return text;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace carillon::actors
