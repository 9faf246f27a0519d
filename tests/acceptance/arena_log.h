// The logs that the acceptance tests replay, with what is known of them from elsewhere.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>

#include "tests/acceptance/arena_model.h"

namespace carillon::testing {

struct ArenaLog {
  std::string name;
  std::filesystem::path path;
  std::uint64_t matches = 0, kills = 0, notifications = 0, malformed = 0;
};
inline void PrintTo(const ArenaLog& log, std::ostream* out) { *out << log.path; }

// The tests lie two folders below the source tree's root.
inline const std::filesystem::path kSource = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();

// Our own, small, with one of each oddity; counted by hand.
inline const ArenaLog kOwnLog{.name = "OwnLog",
                              .path = kSource / "examples" / "arena" / "sample.log",
                              .matches = 3,
                              .kills = 9,
                              .notifications = 20,
                              .malformed = 5};
// Games that people played. Not ours to distribute, so it lies beside the source tree, or does not.
inline const ArenaLog kRealLog{.name = "RealLog",
                               .path = kSource.parent_path() / "shared" / "data" / "quake3-games.log",
                               .matches = 21,
                               .kills = 1'069,
                               .notifications = 1'962,
                               .malformed = 0};

inline ArenaModel model_of(const std::filesystem::path& log) {
  std::ifstream file(log, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << log;
  return model_of(file);
}

// Writes the log into a file of the same name in `directory`; when fewer events than `events_min` come of it, again and
// again, as servers append game after game. Gives the file.
inline std::filesystem::path write_at_length(const std::filesystem::path& log, std::uint64_t events_min,
                                             const std::filesystem::path& directory) {
  std::ifstream file(log, std::ios::binary);
  const std::string once((std::istreambuf_iterator<char>(file)), {});
  const auto events = model_of(log).events_of_all_matches();
  auto path = directory / log.filename();
  std::ofstream copy(path, std::ios::binary);
  for (std::uint64_t written = 0; events > 0 && written < events_min; written += events) copy << once;
  return path;
}

// Tests of every log, each skipped when its log is not there.
class WithArenaLog : public ::testing::TestWithParam<ArenaLog> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(log().path)) GTEST_SKIP() << "there is no " << log().path << " to replay";
  }
  const ArenaLog& log() const { return GetParam(); }
};
inline std::string name_of_log(const ::testing::TestParamInfo<ArenaLog>& of) { return of.param.name; }

}  // namespace carillon::testing
