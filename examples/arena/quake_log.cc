#include "examples/arena/quake_log.h"

#include <algorithm>
#include <charconv>

#include "examples/arena/arena.h"

namespace carillon::arena {
namespace {

// Takes a number off the front of `text`; nothing when there is none, or one that does not fit.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string_view without_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// Takes `MM:SS ` off the front; minutes run on beyond 59.
std::optional<std::uint32_t> take_seconds(std::string_view& text) {
  const auto minutes = take_number(text);
  if (!minutes || *minutes > 1'000'000 || !take(text, ":")) return std::nullopt;
  const auto digits = text.find(' ');
  const auto seconds = take_number(text);
  if (digits != 2 || !seconds || *seconds > 59 || !take(text, " ")) return std::nullopt;
  return *minutes * 60 + *seconds;
}

// The value of `key` in `\key\value\key\value…`; empty when it is missing.
std::string_view setting(std::string_view settings, std::string_view key) {
  while (take(settings, "\\")) {
    const auto name_end = std::min(settings.find('\\'), settings.size());
    const auto name = settings.substr(0, name_end);
    settings.remove_prefix(name_end);
    if (!take(settings, "\\")) break;
    const auto value_end = std::min(settings.find('\\'), settings.size());
    if (name == key) return settings.substr(0, value_end);
    settings.remove_prefix(value_end);
  }
  return {};
}

// Of `2 n\Ada\t\0\…`.
std::optional<PlayerNamed> player_named(std::string_view rest) {
  const auto client = take_number(rest);
  if (!client || *client >= kClientsMax || !take(rest, " n\\")) return std::nullopt;
  const auto end = rest.find('\\');
  if (end == std::string_view::npos || !EntityId::of(kPlayerKind, rest.substr(0, end))) return std::nullopt;
  return PlayerNamed{.client = *client, .name = std::string(rest.substr(0, end))};
}

bool is_means(std::string_view text) {
  return text.starts_with("MOD_") && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

// Of `1022 2 22: <world> killed Ada by MOD_LAVA`.
std::optional<Kill> kill(std::string_view rest, std::uint32_t at_s) {
  const auto killer = take_number(rest);
  if (!killer || (*killer >= kClientsMax && *killer != kWorld) || !take(rest, " ")) return std::nullopt;
  const auto victim = take_number(rest);
  if (!victim || *victim >= kClientsMax || !take(rest, " ")) return std::nullopt;
  if (!take_number(rest) || !take(rest, ": ")) return std::nullopt;
  const auto by = rest.rfind(" by ");
  if (by == std::string_view::npos || rest.substr(0, by).find(" killed ") == std::string_view::npos)
    return std::nullopt;
  const auto means = rest.substr(by + 4);
  if (!is_means(means)) return std::nullopt;
  return Kill{.killer = *killer, .victim = *victim, .means = std::string(means), .at_s = at_s};
}

// `WORD:`, the word of letters.
std::optional<std::string_view> take_word(std::string_view& text) {
  const auto colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos) return std::nullopt;
  const auto word = text.substr(0, colon);
  if (!std::all_of(word.begin(), word.end(),
                   [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }))
    return std::nullopt;
  text = without_blanks(text.substr(colon + 1));
  return word;
}

}  // namespace

std::optional<LogPublication> QuakeLog::take(std::string_view line) {
  ++counters_.lines;
  std::string_view rest = without_blanks(line);
  if (rest.empty()) return std::nullopt;
  const auto at_s = take_seconds(rest);
  if (!at_s) return malformed_line("it does not begin with the time, as MM:SS");
  rest = without_blanks(rest);
  if (!rest.empty() && rest.find_first_not_of('-') == std::string_view::npos) return std::nullopt;
  const auto word = take_word(rest);
  if (!word) return malformed_line("no word and colon follow the time");

  if (*word == "InitGame") {
    if (!rest.starts_with('\\')) return malformed_line("InitGame without settings");
    ++counters_.matches;
    match_is_on_ = true;
    return publish(MatchBegan{.map = std::string(setting(rest, "mapname"))});
  }
  if (*word != "ClientUserinfoChanged" && *word != "Kill" && *word != "ShutdownGame") return std::nullopt;
  if (!match_is_on_) return malformed_line(std::string(*word) + " while no match is on");
  if (*word == "ClientUserinfoChanged") {
    const auto named = player_named(rest);
    return named ? publish(*named) : malformed_line("ClientUserinfoChanged without a client number and a usable name");
  }
  if (*word == "Kill") {
    const auto killed = kill(rest, *at_s);
    if (!killed) return malformed_line("Kill is not KILLER VICTIM MEANS: … killed … by MOD_…");
    ++counters_.kills;
    return publish(*killed);
  }
  if (!rest.empty()) return malformed_line("something follows ShutdownGame");
  auto ended = publish(MatchEnded());
  match_is_on_ = false;
  return ended;
}

std::optional<LogPublication> QuakeLog::malformed_line(std::string reason) {
  ++counters_.malformed;
  if (malformed_.size() < kMalformedKept) malformed_.push_back({counters_.lines, std::move(reason)});
  return std::nullopt;
}

template <class Event>
std::optional<LogPublication> QuakeLog::publish(const Event& event) {
  ++counters_.published;
  return LogPublication{EntityId::trusted("match/" + std::to_string(counters_.matches)), std::string(Event::kType),
                        to_json(event), counters_.lines};
}

}  // namespace carillon::arena
