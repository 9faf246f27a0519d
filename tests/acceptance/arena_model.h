// What the log of a Quake III server must come to, told by another than the product: neither the parser nor the
// behaviour of examples/arena is used, so that what is misread there is not expected here.
//
// Pure. Knows the lines of the logs it is tried on; what else may come is tested with the parser.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace carillon::testing {

// The match that the log begins after `index` others: `match/1`, `match/2`, …
inline std::string match_entity(std::size_t index) { return "match/" + std::to_string(index + 1); }

// What somebody is told, one sentence each; by who tells it, as `hub match/1`, in the order in which it is told. Between
// two matches no order is promised: they are folded side by side.
using Told = std::map<std::string, std::vector<std::string>>;

struct ArenaModel {
  std::uint64_t lines = 0, malformed = 0, kills = 0;
  std::vector<std::uint64_t> events;  // That come of the lines, to match/1, match/2, …
  std::map<std::string, Told> told;   // By name; of everyone who was ever named.

  std::uint64_t events_of_all_matches() const;
  std::uint64_t notifications() const;
  // Who is told the most.
  std::string busiest_player() const;
};

ArenaModel model_of(std::istream& log);

// A notification of a match as the model's sentence; says so when it is none.
std::string sentence_of(std::string_view type, std::string_view payload);

}  // namespace carillon::testing
