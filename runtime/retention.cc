#include "runtime/retention.h"

#include <algorithm>
#include <charconv>

#include "messages/entity_id.h"

namespace carillon::runtime {
namespace {

constexpr std::uint64_t kBuiltInEvents = 1'000;
constexpr std::uint64_t kDaysMax = 36'500;
constexpr std::string_view kAll = "all";

std::optional<std::uint64_t> number_of(std::string_view text, std::uint64_t most) {
  std::uint64_t number = 0;
  const auto* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end || number == 0 || number > most)
    return std::nullopt;
  return number;
}

// EVENTS or EVENTS,DAYSd.
std::optional<Retention> retention_of(std::string_view text) {
  Retention retention;
  const auto comma = text.find(',');
  const auto events = text.substr(0, comma);
  if (events != kAll) {
    const auto number = number_of(events, Retention::kAllEvents - 1);
    if (!number) return std::nullopt;
    retention.events = *number;
  }
  if (comma == std::string_view::npos) return retention;
  auto days = text.substr(comma + 1);
  if (!days.ends_with('d')) return std::nullopt;
  days.remove_suffix(1);
  const auto number = number_of(days, kDaysMax);
  if (!number) return std::nullopt;
  retention.age = std::chrono::hours(24 * *number);
  return retention;
}

Error not_understood(std::string_view setting) {
  return {
      ErrorCode::MALFORMED,
      "'" + std::string(setting) +
          "' is no retention: write KIND=EVENTS or KIND=EVENTS,DAYSd, with EVENTS from 1 or `all` and DAYS from 1 to " +
          std::to_string(kDaysMax) + ", as in player=10000,30d"};
}

Error unknown(std::string_view kind, std::span<const std::string> kinds) {
  std::string there(kPlayerKind);
  for (const auto& known : kinds) there += ", " + known;
  return {ErrorCode::MALFORMED, "no kind is called '" + std::string(kind) + "'; there are: " + there};
}

}  // namespace

RetentionTable::RetentionTable() {
  set(kPlayerKind, {10'000, std::chrono::hours(30 * 24)});
  for (const auto* kind : {"gateway", "presence", "reader"}) set(kind, {kBuiltInEvents, {}});
}

const Retention& RetentionTable::of(std::string_view kind) const {
  static constexpr Retention kEverything;
  const auto found = by_kind_.find(kind);
  return found == by_kind_.end() ? kEverything : found->second;
}

void RetentionTable::set(std::string_view kind, Retention retention) {
  by_kind_.insert_or_assign(std::string(kind), retention);
}

Result<void> RetentionTable::take_in(std::string_view settings, std::span<const std::string> kinds) {
  auto changed = *this;
  while (!settings.empty()) {
    const auto setting = settings.substr(0, settings.find(' '));
    settings.remove_prefix(std::min(settings.size(), setting.size() + 1));
    if (setting.empty()) continue;
    const auto equals = setting.find('=');
    const auto kind = setting.substr(0, equals);
    const auto retention = equals == std::string_view::npos ? std::nullopt : retention_of(setting.substr(equals + 1));
    if (!retention) return not_understood(setting);
    if (kind != kPlayerKind && std::ranges::find(kinds, kind) == kinds.end()) return unknown(kind, kinds);
    changed.set(kind, *retention);
  }
  *this = std::move(changed);
  return {};
}

std::string RetentionTable::text() const {
  std::string text;
  for (const auto& [kind, retention] : by_kind_) {
    if (!text.empty()) text += ' ';
    text +=
        kind + '=' + (retention.events == Retention::kAllEvents ? std::string(kAll) : std::to_string(retention.events));
    if (retention.age) text += ',' + std::to_string(retention.age->count() / 24) + 'd';
  }
  return text;
}

}  // namespace carillon::runtime
