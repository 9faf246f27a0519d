#include "tests/acceptance/arena_model.h"

#include <algorithm>
#include <numeric>
#include <regex>
#include <utility>

#include "runtime/json.h"

namespace carillon::testing {
namespace {

constexpr int kWorld = 1022;
const std::string kNobody = "nobody";  // The world, or a number without a name. No player of our logs is called so.

// --- The sentences. --------------------------------------------------------------------------------------------------

struct Blow {
  std::string match, other, means;
  std::int64_t at_s = 0, score = 0;
};

std::string blow(std::string_view what, const Blow& blow) {
  return blow.match + ": " + std::string(what) + " " + blow.other + " with " + blow.means + " at " +
         std::to_string(blow.at_s) + " s, score " + std::to_string(blow.score);
}
std::string frag(const Blow& of) { return blow("fragged", of); }
std::string death(const Blow& by) { return blow("killed by", by); }

using Scoreboard = std::vector<std::pair<std::string, std::int64_t>>;

std::string over(const std::string& match, const std::string& map, const Scoreboard& scoreboard) {
  std::string sentence = match + ": over on " + map;
  for (const auto& [name, score] : scoreboard) sentence += ", " + name + " " + std::to_string(score);
  return sentence;
}

// --- The log. --------------------------------------------------------------------------------------------------------

struct Match {
  std::string id, map;
  std::map<int, std::string> names;            // By client number.
  std::map<std::string, std::int64_t> scores;  // Of every name that appeared.

  std::string name_of(int client) const {
    const auto found = names.find(client);
    return found == names.end() ? kNobody : found->second;
  }
  Scoreboard scoreboard() const {
    Scoreboard board(scores.begin(), scores.end());
    std::stable_sort(board.begin(), board.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return board;
  }
};

class Reader {
 public:
  void take(const std::string& line) {
    static const std::regex kBlank(R"(\s*)"), kRuler(R"(\s*\d+:\d\d -+\s*)"),
        kWord(R"(\s*(\d+):(\d\d) (\w+): ?(.*?)\s*)");
    ++model_.lines;
    std::smatch part;
    if (std::regex_match(line, kBlank) || std::regex_match(line, kRuler)) return;
    const bool understood =
        std::regex_match(line, part, kWord) && take(part[3], part[4], std::stoi(part[1]) * 60 + std::stoi(part[2]));
    if (!understood) ++model_.malformed;
  }

  ArenaModel result() && { return std::move(model_); }

 private:
  bool take(const std::string& word, const std::string& rest, int at_s) {
    static const std::regex kMap(R"(\\(?:.*\\)?mapname\\([^\\]*).*)"), kNamed(R"((\d+) n\\([^\\]+)\\.*)"),
        kKill(R"((\d+) (\d+) \d+: .* killed .* by (MOD_[A-Z0-9_]*))");
    std::smatch part;
    if (word == "InitGame") {
      if (!rest.starts_with('\\')) return false;
      match_ = {.id = match_entity(model_.events.size())};
      model_.events.push_back(1);
      if (std::regex_match(rest, part, kMap)) match_.map = part[1];
      is_on_ = true;
    } else if (word == "ClientUserinfoChanged") {
      if (!is_on_ || !std::regex_match(rest, part, kNamed)) return false;
      ++model_.events.back();
      named(std::stoi(part[1]), part[2]);
    } else if (word == "Kill") {
      if (!is_on_ || !std::regex_match(rest, part, kKill)) return false;
      ++model_.events.back();
      ++model_.kills;
      killed(std::stoi(part[1]), std::stoi(part[2]), part[3], at_s);
    } else if (word == "ShutdownGame") {
      if (!is_on_ || !rest.empty()) return false;
      ++model_.events.back();
      for (const auto& [name, score] : match_.scores) tell(name, over(match_.id, match_.map, match_.scoreboard()));
      is_on_ = false;
    }
    return true;
  }

  void named(int client, const std::string& name) {
    match_.names[client] = name;
    match_.scores.try_emplace(name, 0);
    model_.told[name];
  }

  void killed(int killer, int victim, const std::string& means, int at_s) {
    const auto killer_name = match_.name_of(killer), victim_name = match_.name_of(victim);
    if (killer == kWorld) {
      score(victim_name, -1);
    } else if (killer != victim) {
      const auto now = score(killer_name, +1);
      tell(killer_name, frag({match_.id, victim_name, means, at_s, now}));
    }
    tell(victim_name, death({match_.id, killer_name, means, at_s, score(victim_name, 0)}));
  }

  // Gives what it comes to.
  std::int64_t score(const std::string& name, int points) {
    return name == kNobody ? 0 : match_.scores.at(name) += points;
  }
  void tell(const std::string& name, std::string sentence) {
    if (name != kNobody) model_.told.at(name)["hub " + match_.id].push_back(std::move(sentence));
  }

  ArenaModel model_;
  Match match_;
  bool is_on_ = false;
};

// --- The payloads. ---------------------------------------------------------------------------------------------------

std::string text(const JsonValue& from, std::string_view name) {
  const auto value = from.find(name);
  if (!value || value->is_null()) return kNobody;
  return std::string(value->as_string().value_or("(no text)"));
}

std::int64_t number(const JsonValue& from, std::string_view name) {
  const auto value = from.find(name);
  return value ? value->as_int64().value_or(-1'000'000) : -1'000'000;
}

std::uint64_t count(const Told& told) {
  std::uint64_t all = 0;
  for (const auto& [teller, sentences] : told) all += sentences.size();
  return all;
}

}  // namespace

std::uint64_t ArenaModel::events_of_all_matches() const {
  return std::accumulate(events.begin(), events.end(), std::uint64_t{0});
}

std::uint64_t ArenaModel::notifications() const {
  std::uint64_t all = 0;
  for (const auto& [name, by_match] : told) all += count(by_match);
  return all;
}

std::string ArenaModel::busiest_player() const {
  return std::ranges::max_element(told, {}, [](const auto& player) { return count(player.second); })->first;
}

ArenaModel model_of(std::istream& log) {
  Reader reader;
  for (std::string line; std::getline(log, line);) reader.take(line);
  return std::move(reader).result();
}

std::string sentence_of(std::string_view type, std::string_view payload) {
  JsonDocument document;
  if (!document.parse(payload).ok()) return "not JSON: " + std::string(payload);
  const auto root = document.root();
  const auto blow = [&](std::string_view other) {
    return Blow{text(root, "match"), text(root, other), text(root, "means"), number(root, "at_s"),
                number(root, "score")};
  };
  if (type == "frag") return frag(blow("victim"));
  if (type == "death") return death(blow("killer"));
  if (type != "match_over") return "of type " + std::string(type) + ": " + std::string(payload);
  Scoreboard scoreboard;
  const auto board = root.find("scoreboard");
  for (std::size_t place = 0; board && place < board->size(); ++place)
    scoreboard.emplace_back(text(board->element(place), "player"), number(board->element(place), "score"));
  return over(text(root, "match"), text(root, "map"), scoreboard);
}

}  // namespace carillon::testing
