#include "bench/hunt/hunt_behaviour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace carillon::bench {
namespace {

using testing::HasSubstr;

const EntityId kHub = EntityId::trusted("hunt/5");

Event event(std::string type, std::string payload) {
  return {
      .type = std::move(type), .payload = std::move(payload), .producer = ProducerId::trusted("cbench"), .sequence = 1};
}

TEST(Hunt, ADigHas128BytesWhateverItsNumbers) {
  constexpr auto k32 = std::numeric_limits<std::uint32_t>::max();
  for (const Dig& dig :
       {Dig{}, Dig{.id = 3ull << 40 | 17, .at = 123'456'789'012, .hub = 63, .k = 8, .audience = 156, .filler = {}},
        Dig{.id = ~0ull,
        .at = std::numeric_limits<std::int64_t>::min(),
        .hub = k32,
        .k = k32,
        .audience = k32,
        .filler = {}}}) {
    const std::string payload = encode_dig(dig);
    EXPECT_EQ(payload.size(), kPayloadBytes) << payload;
    // And it is what the SDK reads and would write.
    const auto read = from_json<Dig>(payload);
    ASSERT_TRUE(read.ok()) << payload;
    EXPECT_EQ(read->id, dig.id);
    EXPECT_EQ(read->at, dig.at);
    EXPECT_EQ(read->hub, dig.hub);
    EXPECT_EQ(read->k, dig.k);
    EXPECT_EQ(read->audience, dig.audience);
    EXPECT_EQ(to_json(*read), payload);
  }
}

TEST(Hunt, NotifiesTheSamePlayersAsThePeersAndFoldsTheSameDigest) {
  // Given the first two digs of producer 1 to hub 5, whose audience is 156.
  const auto state = hunt_behaviour().initial_state();
  std::uint64_t digest = 0;
  for (const std::uint64_t id : {1ull << 40, 1ull << 40 | 1}) {
    // When they are folded with K = 8.
    const Event dig = event("dig", encode_dig({.id = id, .at = 99, .hub = 5, .k = 8, .audience = 156, .filler = {}}));
    const auto effects = state->apply(dig, Context(kHub, 1, dig));
    ASSERT_TRUE(effects.ok()) << effects.error().message;
    // Then the formula of peerbench's job.cc names the players, and each gets 128 bytes.
    ASSERT_EQ(effects->size(), 8u);
    for (std::uint32_t k = 0; k < 8; ++k) {
      const Effect& effect = effects->list()[k];
      const auto player = 5 * 156 + static_cast<std::uint32_t>(mix(31 * id + k + 1) % 156);
      EXPECT_EQ(effect.target.text(), "player/p" + std::to_string(player));
      EXPECT_EQ(effect.type, "find");
      EXPECT_EQ(effect.payload.size(), kPayloadBytes) << effect.payload;
      const auto find = decode_find(effect.payload);
      ASSERT_TRUE(find.ok()) << effect.payload;
      EXPECT_EQ(find->id, id);
      EXPECT_EQ(find->at, 99);
      EXPECT_EQ(find->index, k);
      EXPECT_EQ(find->player, player);
    }
    digest = mix(digest ^ id);
  }
  EXPECT_EQ(state->encode(), R"({"events":2,"digest":)" + std::to_string(digest) + R"(,"finds":16,"burdens":0})");
}

TEST(Hunt, FindsHave128BytesWhateverTheirNumbers) {
  Hunt hunt;
  const Dig dig{.id = ~0ull,
                .at = std::numeric_limits<std::int64_t>::min(),
                .hub = 42'949,
                .k = kNotificationsMax,
                .audience = 100'000,
                .filler = {}};
  const auto effects = on(hunt, dig, any_context());
  ASSERT_EQ(effects->size(), kNotificationsMax);
  for (const Effect& effect : effects->list()) {
    ASSERT_EQ(effect.payload.size(), kPayloadBytes) << effect.payload;
    ASSERT_TRUE(check_json_object(effect.payload));
    ASSERT_TRUE(decode_find(effect.payload).ok());
  }
}

TEST(Hunt, P6ImpossibleDigsAndBurdensAreFailures) {
  Hunt hunt;
  EXPECT_FALSE(on(hunt, Dig{.k = 1, .audience = 0, .filler = {}}, any_context()).ok());
  EXPECT_FALSE(on(hunt, Dig{.k = kNotificationsMax + 1, .audience = 1, .filler = {}}, any_context()).ok());
  EXPECT_FALSE(on(hunt, Burden{.spin_us = kSpinMicrosMax + 1}, any_context()).ok());
  EXPECT_FALSE(on(hunt, Muster{.players = kMusterMax + 1}, any_context()).ok());
  EXPECT_EQ(to_json(hunt), to_json(Hunt{}));
}

TEST(Hunt, ABurdenIsWorkWithoutEffects) {
  const auto state = hunt_behaviour().initial_state();
  const Event burden = event("burden", R"({"spin_us":100})");
  const auto effects = state->apply(burden, Context(kHub, 1, burden));
  ASSERT_TRUE(effects.ok());
  EXPECT_TRUE(effects->empty());
  EXPECT_THAT(state->encode(), HasSubstr(R"("burdens":1)"));
}

TEST(Hunt, AMusterTellsEveryPlayerTheSame) {
  Hunt hunt;
  const auto effects = on(hunt, Muster{.id = 7, .at = 9, .players = 3}, any_context());
  ASSERT_TRUE(effects.ok());
  EXPECT_THAT(effects->notified(), ::testing::ElementsAre("p0", "p1", "p2"));
  for (const Effect& effect : effects->list()) {
    const auto find = decode_find(effect.payload);
    ASSERT_TRUE(find.ok());
    EXPECT_EQ(find->player, 0u);
    EXPECT_EQ(find->id, 7u);
    EXPECT_EQ(find->at, 9);
  }
  EXPECT_EQ(hunt.finds, 3u);
}

TEST(Hunt, OtherTextIsNoFind) {
  Hunt hunt;
  const auto effects = on(hunt, Dig{.id = 1, .k = 1, .audience = 1, .filler = {}}, any_context());
  const std::string good = effects->list()[0].payload;
  ASSERT_TRUE(decode_find(good).ok());
  for (std::size_t cut = 0; cut < good.size(); ++cut) EXPECT_FALSE(decode_find(good.substr(0, cut)).ok());
  EXPECT_FALSE(decode_find(good + " ").ok());
  EXPECT_FALSE(decode_find(encode_dig({})).ok());
  EXPECT_FALSE(decode_find("{}").ok());
}

}  // namespace
}  // namespace carillon::bench
