#include "examples/arena/quake_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "examples/arena/arena.h"

namespace carillon::arena {
namespace {

using testing::ElementsAre;
using testing::Field;

// The tests lie two folders below the source tree's root.
const std::filesystem::path kSource = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();

// What a log comes to: parsed, and folded in memory as hubs would.
struct Replay {
  QuakeLog log;
  std::map<std::string, std::unique_ptr<HubState>> hubs;
  std::map<std::string, std::vector<Effect>> streams;  // By player stream.
  std::map<std::string, std::size_t> notifications;    // By type.

  std::size_t total() const {
    std::size_t total = 0;
    for (const auto& [type, count] : notifications) total += count;
    return total;
  }
};

Replay replay(const std::filesystem::path& path) {
  Replay replay;
  const Behaviour behaviour = match_behaviour();
  const ProducerId producer = ProducerId::client(path.filename().string()).value();
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::map<std::string, Offset> offsets;
  Sequence last = 0;
  for (std::string line; std::getline(file, line);) {
    const auto publication = replay.log.take(line);
    if (!publication) continue;
    EXPECT_GT(publication->sequence, std::exchange(last, publication->sequence));
    auto& hub = replay.hubs[publication->entity.text()];
    if (!hub) hub = behaviour.initial_state();
    const Event event{.type = publication->type,
                      .payload = publication->payload,
                      .producer = producer,
                      .sequence = publication->sequence};
    auto effects = hub->apply(event, Context(publication->entity, ++offsets[publication->entity.text()], event));
    EXPECT_TRUE(effects.ok()) << "line " << publication->sequence << ": " << effects.error().message;
    if (!effects) continue;
    for (const Effect& effect : effects->list()) {
      ++replay.notifications[effect.type];
      replay.streams[effect.target.text()].push_back(effect);
    }
  }
  return replay;
}

std::vector<std::uint64_t> numbers_of(const std::vector<MalformedLine>& lines) {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(lines.size());
  for (const MalformedLine& line : lines) numbers.push_back(line.number);
  return numbers;
}

TEST(QuakeLog, ReplaysTheSample) {
  const Replay sample = replay(kSource / "examples/arena/sample.log");
  EXPECT_EQ(sample.log.counters().lines, 43u);
  EXPECT_EQ(sample.log.counters().matches, 3u);
  EXPECT_EQ(sample.log.counters().kills, 9u);
  EXPECT_EQ(sample.log.counters().published, 20u);
  EXPECT_EQ(sample.log.counters().malformed, 5u);
  EXPECT_THAT(numbers_of(sample.log.malformed()), ElementsAre(15, 16, 24, 28, 43));
  EXPECT_THAT(sample.notifications,
              ElementsAre(std::pair("death", 9u), std::pair("frag", 6u), std::pair("match_over", 5u)));
  std::map<std::string, std::size_t> lengths;
  for (const auto& [player, stream] : sample.streams) lengths[player] = stream.size();
  EXPECT_THAT(lengths,
              ElementsAre(std::pair("player/Ada", 8u), std::pair("player/Bo the Bold!", 5u), std::pair("player/Cy", 1u),
                          std::pair("player/Zoë", 4u), std::pair("player/^1Ada", 2u)));
  const auto over = from_json<MatchOver>(sample.streams.at("player/^1Ada").back().payload);
  ASSERT_TRUE(over.ok());
  EXPECT_EQ(over->map, "q3dm17");
  EXPECT_THAT(over->scoreboard, ElementsAre(Standing{"Bo the Bold!", 1}, Standing{"^1Ada", 1}, Standing{"Ada", 0}));
}

TEST(QuakeLog, ReplaysTheLogOfAPublicServer) {
  const char* const shared = std::getenv("CARILLON_SHARED");
  const auto path =
      (shared ? std::filesystem::path(shared) : kSource.parent_path() / "shared") / "data/quake3-games.log";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "there is no " << path << "; name its folder's parent in CARILLON_SHARED";
  const Replay real = replay(path);
  EXPECT_EQ(real.log.counters().lines, 5'308u);
  EXPECT_EQ(real.log.counters().matches, 21u);
  EXPECT_EQ(real.log.counters().kills, 1'069u);
  EXPECT_EQ(real.log.counters().malformed, 0u);
  EXPECT_EQ(real.hubs.size(), 21u);
  EXPECT_THAT(real.notifications,
              ElementsAre(std::pair("death", 1'069u), std::pair("frag", 768u), std::pair("match_over", 125u)));
  EXPECT_EQ(real.total(), 1'962u);
}

TEST(QuakeLog, NumbersPublicationsByTheirLines) {
  QuakeLog log;
  EXPECT_FALSE(log.take("  0:00 ---------"));
  const auto began = log.take("  0:00 InitGame: \\sv_hostname\\X\\mapname\\q3dm6\r\n");
  ASSERT_TRUE(began);
  EXPECT_EQ(began->entity.text(), "match/1");
  EXPECT_EQ(began->type, "match_began");
  EXPECT_EQ(began->payload, R"({"map":"q3dm6"})");
  EXPECT_EQ(began->sequence, 2u);
  EXPECT_FALSE(log.take(""));
  const auto kill = log.take("981:27 Kill: 1022 2 22: <world> killed Bo by the sea by MOD_TRIGGER_HURT");
  ASSERT_TRUE(kill);
  EXPECT_EQ(kill->payload, R"({"killer":1022,"victim":2,"means":"MOD_TRIGGER_HURT","at_s":58887})");
  EXPECT_EQ(kill->sequence, 4u);
  EXPECT_EQ(log.take("0:01 InitGame: \\a\\b")->entity.text(), "match/2");
  EXPECT_EQ(log.counters().malformed, 0u);
}

TEST(QuakeLog, KeepsNamesAsTheyAre) {
  QuakeLog log;
  log.take("0:00 InitGame: \\a\\b");
  EXPECT_EQ(log.take("0:01 ClientUserinfoChanged: 3 n\\^1Bo the \"Bold\"!\\t\\0")->payload,
            R"({"client":3,"name":"^1Bo the \"Bold\"!"})");
}

TEST(QuakeLog, CountsMalformedLinesAndGoesOn) {
  for (const std::string line : {
           " 26  0:00 ------------",
           "Kill: 1 2 3: a killed b by MOD_X",
           "  0:60 ShutdownGame:",
           "  0:6 ShutdownGame:",
           " -1:00 ShutdownGame:",
           " 99999999999:00 ShutdownGame:",
           " 20:37",
           " 20:37 ShutdownGame",
           " 20:37 ShutdownGame: 20:37 InitGame: \\a\\b",
           " 20:37 what is this",
           " 20:37 InitGame:",
           " 20:37 Kill:",
           " 20:37 Kill: 1 2",
           " 20:37 Kill: 1 2 3: a killed b",
           " 20:37 Kill: 1 2 3: a killed b by MOD_",
           " 20:37 Kill: 1 2 3: a killed b by MOD_ROCKET 20:38 Item: 2 x",
           " 20:37 Kill: 64 2 3: a killed b by MOD_X",
           " 20:37 Kill: 1 1022 3: a killed b by MOD_X",
           " 20:37 Kill: -1 2 3: a killed b by MOD_X",
           " 20:37 Kill: 4294967297 2 3: a killed b by MOD_X",
           " 20:37 ClientUserinfoChanged: 2",
           " 20:37 ClientUserinfoChanged: 2 n\\Ada",
           " 20:37 ClientUserinfoChanged: 2 n\\\\t\\0",
           " 20:37 ClientUserinfoChanged: 64 n\\Ada\\t\\0",
           " 20:37 ClientUserinfoChanged: 2 n\\A\xff\\t\\0",
           " 20:37 ClientUserinfoChanged: 2 n\\A\x01\\t\\0",
       }) {
    QuakeLog log;
    ASSERT_TRUE(log.take("0:00 InitGame: \\a\\b"));
    const bool is_end_of_name = line == " 20:37 Kill: 1 2 3: a killed b by MOD_";
    const auto publication = log.take(line);
    EXPECT_EQ(publication.has_value(), is_end_of_name) << line;
    EXPECT_EQ(log.counters().malformed, is_end_of_name ? 0u : 1u) << line;
    EXPECT_TRUE(log.take(" 20:39 ShutdownGame:")) << line;
  }
}

TEST(QuakeLog, EventsOutsideAMatchAreMalformed) {
  QuakeLog log;
  EXPECT_FALSE(log.take("0:00 Kill: 1 2 3: a killed b by MOD_X"));
  EXPECT_TRUE(log.take("0:00 InitGame: \\a\\b"));
  EXPECT_TRUE(log.take("0:00 ShutdownGame:"));
  EXPECT_FALSE(log.take("0:00 ShutdownGame:"));
  EXPECT_THAT(log.malformed(), ElementsAre(Field(&MalformedLine::number, 1u), Field(&MalformedLine::number, 4u)));
  EXPECT_EQ(log.counters().malformed, 2u);
}

TEST(QuakeLog, P7KeepsALimitedNumberOfReports) {
  QuakeLog log;
  for (std::size_t i = 0; i < 2 * QuakeLog::kMalformedKept; ++i) log.take("what");
  EXPECT_EQ(log.counters().malformed, 2 * QuakeLog::kMalformedKept);
  EXPECT_EQ(log.malformed().size(), QuakeLog::kMalformedKept);
}

}  // namespace
}  // namespace carillon::arena
