#include "runtime/behaviour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace door {

using carillon::Context;
using carillon::Effects;

struct Door {
  std::uint64_t opened = 0;
};
template <class Fields>
void inspect(Fields& fields, Door& door) {
  fields("opened", door.opened);
}

struct Knock {
  static constexpr std::string_view kType = "knock";
  std::string player;
};
template <class Fields>
void inspect(Fields& fields, Knock& knock) {
  fields("player", knock.player);
}

struct Kick {
  static constexpr std::string_view kType = "kick";
};
template <class Fields>
void inspect(Fields&, Kick&) {}

struct Opened {
  static constexpr std::string_view kType = "opened";
  carillon::UnixMs at = 0;
};
template <class Fields>
void inspect(Fields& fields, Opened& opened) {
  fields("at", opened.at);
}

Effects on(Door& door, const Knock& knock, const Context& context) {
  ++door.opened;
  Effects effects;
  effects.notify(knock.player, Opened{.at = context.now()});
  return effects;
}

carillon::Result<Effects> on(Door&, const Kick&, const Context&) {
  return carillon::Error{carillon::ErrorCode::LIMIT_EXCEEDED, "the door is stronger"};
}

struct Shout {
  static constexpr std::string_view kType = "shout";
  int what = 0;
};
template <class Fields>
void inspect(Fields& fields, Shout& shout) {
  fields("what", shout.what);
}
Effects on(Door& door, const Shout& shout, const Context& context) {
  door.opened = 99;
  if (shout.what == 0) throw std::runtime_error("too loud");
  if (shout.what == 1) throw 42;
  Effects effects;
  for (std::size_t i = 0; i <= Effects::kEffectsMax; ++i) effects.emit(context.self(), Opened{});
  return effects;
}

carillon::Behaviour behaviour() { return carillon::Behaviour::of<Door>("door", 3).on<Knock>().on<Kick>().on<Shout>(); }

}  // namespace door

namespace carillon {
namespace {

using door::Opened;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const EntityId kHub = EntityId::trusted("door/7");

Event event(std::string type, std::string payload, UnixMs at = 0) {
  return {.type = std::move(type),
          .payload = std::move(payload),
          .producer = ProducerId::trusted("ctest"),
          .sequence = 1,
          .accepted_at_ms = at};
}

Result<Effects> apply(HubState& state, const Event& what) { return state.apply(what, Context(kHub, 1, what)); }

TEST(Behaviour, HandlesATypedEvent) {
  // Given a new door.
  const auto state = door::behaviour().initial_state();
  // When Ada knocks.
  const auto effects = apply(*state, event("knock", R"({"player":"ada"})", 17));
  // Then it has been opened once and Ada is told when.
  ASSERT_TRUE(effects.ok()) << effects.error().message;
  EXPECT_EQ(state->encode(), R"({"opened":1})");
  EXPECT_THAT(effects->notified(), ElementsAre("ada"));
  ASSERT_EQ(effects->size(), 1u);
  EXPECT_EQ(effects->list()[0].target.text(), "player/ada");
  EXPECT_EQ(effects->list()[0].type, "opened");
  EXPECT_EQ(effects->list()[0].payload, R"({"at":17})");
  EXPECT_EQ(effects->sent_to<Opened>("player/ada").at(0).at, 17);
  EXPECT_THAT(effects->sent_to<Opened>("player/bo"), IsEmpty());
}

TEST(Behaviour, IsTestedByCallingItsHandler) {
  door::Door door;
  const Effects effects = on(door, door::Knock{.player = "ada"}, any_context(5));
  EXPECT_EQ(door.opened, 1u);
  EXPECT_EQ(effects.sent_to<Opened>("player/ada").at(0).at, 5);
}

TEST(Behaviour, KnowsItsTypes) {
  const Behaviour behaviour = door::behaviour();
  EXPECT_EQ(behaviour.kind(), "door");
  EXPECT_EQ(behaviour.version(), 3u);
  EXPECT_TRUE(behaviour.handles("knock"));
  EXPECT_FALSE(behaviour.handles("knoc"));
  EXPECT_FALSE(behaviour.handles(""));
}

TEST(Behaviour, P6NamesATypeThatNobodyHandles) {
  const auto state = door::behaviour().initial_state();
  const auto effects = apply(*state, event("sing", "{}"));
  ASSERT_FALSE(effects.ok());
  EXPECT_EQ(effects.error().code, ErrorCode::UNKNOWN_TYPE);
  EXPECT_THAT(effects.error().message, HasSubstr("sing"));
}

TEST(Behaviour, P6APayloadThatDoesNotFitChangesNothing) {
  const auto state = door::behaviour().initial_state();
  for (const char* payload : {"", "[]", R"({"player":1})", R"({"player":"ada")"}) {
    const auto effects = apply(*state, event("knock", payload));
    ASSERT_FALSE(effects.ok());
    EXPECT_EQ(effects.error().code, ErrorCode::MALFORMED);
  }
  EXPECT_EQ(state->encode(), R"({"opened":0})");
}

TEST(Behaviour, P6WhateverAHandlerThrowsOrReturnsBecomesAReason) {
  const auto state = door::behaviour().initial_state();
  EXPECT_THAT(apply(*state, event("shout", R"({"what":0})")).error().message, HasSubstr("too loud"));
  EXPECT_THAT(apply(*state, event("shout", R"({"what":1})")).error().message, HasSubstr("handler failed"));
  EXPECT_THAT(apply(*state, event("kick", "{}")).error().message, HasSubstr("stronger"));
  EXPECT_THAT(apply(*state, event("knock", R"({"player":"a\nb"})")).error().message,
              HasSubstr("no player has this name"));
  EXPECT_FALSE(apply(*state, event("knock", "{}")).ok());  // The name is empty by default.
}

TEST(Behaviour, P6ANameThatNoPlayerCanHaveIsNotTriedAgain) {
  const auto state = door::behaviour().initial_state();
  const auto effects = apply(*state, event("knock", R"({"player":")" + std::string(257, 'a') + R"("})"));
  ASSERT_FALSE(effects.ok());
  EXPECT_EQ(effects.error().code, ErrorCode::MALFORMED);
  EXPECT_THAT(effects.error().message, HasSubstr("no player has this name"));
}

TEST(Behaviour, P7TooManyEffectsAreAFailure) {
  const auto state = door::behaviour().initial_state();
  EXPECT_THAT(apply(*state, event("shout", R"({"what":2})")).error().message, HasSubstr("65536"));
}

TEST(Behaviour, P5AStateSurvivesItsSnapshot) {
  const auto state = door::behaviour().initial_state();
  ASSERT_TRUE(apply(*state, event("knock", R"({"player":"ada"})")).ok());
  const auto other = door::behaviour().initial_state();
  ASSERT_TRUE(other->decode(state->encode()));
  EXPECT_EQ(other->encode(), state->encode());
  // A snapshot that does not fit leaves it as it was.
  EXPECT_FALSE(other->decode(R"({"opened":-1})"));
  EXPECT_EQ(other->encode(), state->encode());
}

struct Motto {
  std::string text;
  std::map<std::string, int> by_letter;
};
template <class Fields>
void inspect(Fields& fields, Motto& motto) {
  fields("text", motto.text);
  fields("by_letter", motto.by_letter);
}

TEST(Behaviour, P5AStateKeepsALetterThatItsHandlerHasCutInTwo) {
  // Given texts that are no UTF-8, since a handler took so many bytes of one that is.
  const std::string all = "caf\xc3\xa9";
  const Motto motto{all.substr(0, 4), {{"\xc3", 1}, {"\xa9", 2}}};
  // When it is saved as JSON in UTF-8 and read back, then it is the same.
  const auto json = to_json(motto, JsonFor::kState);
  EXPECT_EQ(json, R"({"text":"caf\udcc3","by_letter":{"\udca9":2,"\udcc3":1}})");
  const auto again = from_json<Motto>(json, JsonFor::kState);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->text, motto.text);
  EXPECT_EQ(again->by_letter, motto.by_letter);
  // What leaves the hub is for others, who know nothing of that,
  EXPECT_THAT(to_json(motto), HasSubstr("caf\xef\xbf\xbd"));
  // and nothing like it comes in.
  EXPECT_FALSE(from_json<Motto>(json));
  for (const auto* other : {R"({"text":"\ud83d"})", R"({"text":"\udc7f"})", R"({"text":"\udd80"})"})
    EXPECT_FALSE(from_json<Motto>(other, JsonFor::kState)) << other;
}

struct Thread {
  std::optional<int> limit = 10;
  std::vector<Thread> replies;
};
template <class Fields>
void inspect(Fields& fields, Thread& thread) {
  fields("limit", thread.limit);
  fields("replies", thread.replies);
}

TEST(Behaviour, P5AStateKeepsAnEmptyOptionalWhoseDefaultIsAnother) {
  Thread thread;
  thread.limit.reset();
  const auto again = from_json<Thread>(to_json(thread, JsonFor::kState), JsonFor::kState);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->limit, std::nullopt);
  EXPECT_EQ(to_json(thread), R"({"replies":[]})");
}

TEST(Behaviour, P5AStateMayBeNestedDeeperThanAnEvent) {
  Thread thread;
  for (int i = 0; i < 200; ++i) thread = Thread{.replies = {thread}};
  const auto json = to_json(thread, JsonFor::kState);
  EXPECT_FALSE(from_json<Thread>(json));
  const auto again = from_json<Thread>(json, JsonFor::kState);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(to_json(*again, JsonFor::kState), json);
}

TEST(Behaviour, ACloneGoesItsOwnWay) {
  const auto state = door::behaviour().initial_state();
  const auto clone = state->clone();
  ASSERT_TRUE(apply(*state, event("knock", R"({"player":"ada"})")).ok());
  EXPECT_EQ(clone->encode(), R"({"opened":0})");
  EXPECT_EQ(state->encode(), R"({"opened":1})");
}

TEST(Behaviour, StatesOutliveTheirBehaviour) {
  std::unique_ptr<HubState> state;
  {
    Catalogue catalogue;
    ASSERT_TRUE(catalogue.add(door::behaviour()));
    state = catalogue.find("door")->initial_state();
  }
  EXPECT_TRUE(apply(*state, event("knock", R"({"player":"ada"})")).ok());
}

TEST(Context, P5RandomIsAFunctionOfEntityAndOffset) {
  const Event what = event("knock", "{}");
  const auto numbers = [&](const EntityId& self, Offset offset) {
    const Context context(self, offset, what);
    return std::vector<std::uint64_t>{context.random(), context.random(), context.random()};
  };
  EXPECT_EQ(numbers(kHub, 1), numbers(kHub, 1));
  // No number comes twice among neighbours.
  std::set<std::uint64_t> seen;
  for (const char* hub : {"door/7", "door/8"})
    for (Offset offset = 1; offset <= 1'000; ++offset)
      for (const auto number : numbers(EntityId::trusted(hub), offset)) seen.insert(number);
  EXPECT_EQ(seen.size(), 6'000u);
  // Pinned: another sequence would be another history.
  EXPECT_EQ(numbers(kHub, 1)[0], 16430776746902122278ull);
}

TEST(Context, TellsTheEventsCircumstances) {
  Event what = event("knock", "{}", 99);
  what.sequence = 12;
  const Context context(kHub, 34, what);
  EXPECT_EQ(context.now(), 99);
  EXPECT_EQ(context.offset(), 34u);
  EXPECT_EQ(context.sequence(), 12u);
  EXPECT_EQ(context.producer(), what.producer);
  EXPECT_EQ(context.self(), kHub);
}

TEST(Effects, RefuseNamesThatNoPlayerCanHave) {
  Effects effects;
  EXPECT_THROW(effects.notify("", Opened{}), std::invalid_argument);
  EXPECT_THROW(effects.notify(std::string(257, 'a'), Opened{}), std::invalid_argument);
  EXPECT_THROW(effects.notify("\xff", Opened{}), std::invalid_argument);
  EXPECT_TRUE(effects.empty());
  effects.notify("Bo the Bold!", Opened{});
  effects.emit(EntityId::trusted("door/8"), Opened{.at = 3});
  EXPECT_THAT(effects.notified(), ElementsAre("Bo the Bold!"));
  EXPECT_EQ(effects.sent_to<Opened>("door/8").at(0).at, 3);
}

TEST(Effects, TellManyTheSame) {
  Effects effects;
  const std::map<std::string, int> scores = {{"ana", 1}, {"bo", 2}};
  effects.notify_all(std::views::keys(scores), Opened{.at = 3});
  effects.notify_all(std::vector<std::string>(), Opened{.at = 4});
  EXPECT_THAT(effects.notified(), ElementsAre("ana", "bo"));
  EXPECT_EQ(effects.sent_to<Opened>("player/ana").at(0).at, 3);
  EXPECT_EQ(effects.sent_to<Opened>("player/bo").at(0).at, 3);
  EXPECT_THROW(effects.notify_all(std::vector<std::string>{""}, Opened{}), std::invalid_argument);
}

TEST(Effects, RemindersAreToldApartFromWhatIsSentAtOnce) {
  Effects effects;
  effects.remind(EntityId::trusted("door/8"), 7'000, Opened{.at = 3});
  effects.remind(EntityId::trusted("player/bo"), 9'000, Opened{.at = 4});
  EXPECT_THAT(effects.notified(), IsEmpty());
  EXPECT_THAT(effects.sent_to<Opened>("door/8"), IsEmpty());
  const auto reminders = effects.reminders_for<Opened>("door/8");
  ASSERT_EQ(reminders.size(), 1u);
  EXPECT_EQ(reminders[0].first, 7'000);
  EXPECT_EQ(reminders[0].second.at, 3);
}

TEST(Catalogue, FindsBehavioursByKind) {
  Catalogue catalogue;
  ASSERT_TRUE(catalogue.add(door::behaviour()));
  ASSERT_TRUE(catalogue.add(Behaviour::of<door::Door>("gate", 1)));
  const Catalogue copy = catalogue;
  EXPECT_EQ(copy.find("door")->version(), 3u);
  EXPECT_EQ(copy.find("window"), nullptr);
  EXPECT_THAT(copy.kinds(), ElementsAre("door", "gate"));
}

TEST(Catalogue, RefusesWhatCannotBeAddressedOrToldApart) {
  Catalogue catalogue;
  const auto refused = [&](Behaviour behaviour) { return !catalogue.add(std::move(behaviour)).ok(); };
  EXPECT_TRUE(refused(Behaviour::of<door::Door>("", 1)));
  EXPECT_TRUE(refused(Behaviour::of<door::Door>("Door", 1)));
  EXPECT_TRUE(refused(Behaviour::of<door::Door>(std::string(33, 'a'), 1)));
  EXPECT_TRUE(refused(Behaviour::of<door::Door>("player", 1)));
  EXPECT_TRUE(refused(Behaviour::of<door::Door>("door", 0)));
  EXPECT_TRUE(refused(Behaviour::of<door::Door>("door", 1).on<door::Knock>().on<door::Kick>().on<door::Knock>()));
  EXPECT_FALSE(refused(door::behaviour()));
  EXPECT_TRUE(refused(door::behaviour()));
}

TEST(Catalogue, TypesAreJudgedByTheCompiler) {
  static_assert(detail::is_type_name("match_over-2"));
  static_assert(!detail::is_type_name(""));
  static_assert(!detail::is_type_name("2match"));
  static_assert(!detail::is_type_name("Match"));
  static_assert(!detail::is_type_name("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));  // 65.
}

// --- Fields. ---------------------------------------------------------------------------------------------------------

struct Item {
  std::string name;
  std::optional<std::int8_t> count;
  bool operator==(const Item&) const = default;
};
template <class Fields>
void inspect(Fields& fields, Item& item) {
  fields("name", item.name);
  fields("count", item.count);
}

struct Everything {
  bool flag = true;
  std::int8_t i8 = 1;
  std::uint8_t u8 = 2;
  std::int16_t i16 = 3;
  std::uint16_t u16 = 4;
  std::int32_t i32 = 5;
  std::uint32_t u32 = 6;
  std::int64_t i64 = 7;
  std::uint64_t u64 = 8;
  double real = 0.5;
  float small = 0.25f;
  std::string text = "as it was";
  Item item{.name = "sword", .count = 1};
  std::vector<Item> items;
  std::vector<bool> bits;
  std::map<std::string, std::vector<int>> lists;
  std::map<std::string, Item, std::less<>> things;
  std::vector<std::optional<int>> maybes;
  std::optional<Item> maybe;
  bool operator==(const Everything&) const = default;
};
template <class Fields>
void inspect(Fields& fields, Everything& all) {
  fields("flag", all.flag);
  fields("i8", all.i8);
  fields("u8", all.u8);
  fields("i16", all.i16);
  fields("u16", all.u16);
  fields("i32", all.i32);
  fields("u32", all.u32);
  fields("i64", all.i64);
  fields("u64", all.u64);
  fields("real", all.real);
  fields("small", all.small);
  fields("text", all.text);
  fields("item", all.item);
  fields("items", all.items);
  fields("bits", all.bits);
  fields("lists", all.lists);
  fields("things", all.things);
  fields("maybes", all.maybes);
  fields("maybe", all.maybe);
}

std::string wrong_in(std::string_view json) {
  const auto read = from_json<Everything>(json);
  return read.ok() ? "nothing" : read.error().message;
}

TEST(Fields, ReadBackWhatWasWritten) {
  const Everything all{.flag = false,
                       .i8 = std::numeric_limits<std::int8_t>::min(),
                       .u8 = std::numeric_limits<std::uint8_t>::max(),
                       .i16 = std::numeric_limits<std::int16_t>::min(),
                       .u16 = std::numeric_limits<std::uint16_t>::max(),
                       .i32 = std::numeric_limits<std::int32_t>::min(),
                       .u32 = std::numeric_limits<std::uint32_t>::max(),
                       .i64 = std::numeric_limits<std::int64_t>::min(),
                       .u64 = std::numeric_limits<std::uint64_t>::max(),
                       .real = 0.1,
                       .small = 0.1f,
                       .text = "\"Zoë\"\n",
                       .item = {.name = "", .count = {}},
                       .items = {{"a", 1}, {"b", {}}},
                       .bits = {true, false},
                       .lists = {{"", {}}, {"x y", {1, 2}}},
                       .things = {{"k", {"c", -3}}},
                       .maybes = {1, std::nullopt},
                       .maybe = Item{}};
  auto expected = all;
  expected.item.count = 1;  // An empty optional is not written, so the default stands.
  const auto read = from_json<Everything>(to_json(all));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, expected);
}

TEST(Fields, MissingOnesKeepTheirDefaultsAndUnknownOnesArePassedOver) {
  const auto read = from_json<Everything>(R"({"what":{"ever":[1]},"u8":9,"maybe":null})");
  ASSERT_TRUE(read.ok()) << read.error().message;
  Everything expected;
  expected.u8 = 9;
  EXPECT_EQ(*read, expected);
}

TEST(Fields, ErrorsNameTheField) {
  EXPECT_EQ(wrong_in(R"({"flag":1})"), "field flag must be true or false");
  EXPECT_EQ(wrong_in(R"({"i8":128})"), "field i8 must be an integer from -128 to 127");
  EXPECT_EQ(wrong_in(R"({"u8":-1})"), "field u8 must be an integer from 0 to 255");
  EXPECT_EQ(wrong_in(R"({"u32":4294967296})"), "field u32 must be an integer from 0 to 4294967295");
  EXPECT_THAT(wrong_in(R"({"i64":9223372036854775808})"), HasSubstr("field i64 must"));
  EXPECT_THAT(wrong_in(R"({"u64":18446744073709551616})"), HasSubstr("field u64 must"));
  EXPECT_THAT(wrong_in(R"({"i32":1.0})"), HasSubstr("field i32 must"));
  EXPECT_THAT(wrong_in(R"({"i32":null})"), HasSubstr("field i32 must"));
  EXPECT_EQ(wrong_in(R"({"real":"1"})"), "field real must be a number");
  EXPECT_EQ(wrong_in(R"({"text":1})"), "field text must be a string");
  EXPECT_EQ(wrong_in(R"({"item":[]})"), "field item must be an object");
  EXPECT_EQ(wrong_in(R"({"item":{"name":1}})"), "field item.name must be a string");
  EXPECT_EQ(wrong_in(R"({"items":{}})"), "field items must be an array");
  EXPECT_EQ(wrong_in(R"({"items":[{},{"name":[]}]})"), "field items[1].name must be a string");
  EXPECT_THAT(wrong_in(R"({"lists":{"a":[1,"x"]}})"), HasSubstr("field lists.a[1] must"));
  EXPECT_EQ(wrong_in(R"({"things":{"k":{"name":0}}})"), "field things.k.name must be a string");
  EXPECT_THAT(wrong_in(R"({"maybe":{"count":300}})"), HasSubstr("field maybe.count must"));
}

TEST(Fields, IntegersAreGoodDoubles) { EXPECT_EQ(from_json<Everything>(R"({"real":3})")->real, 3.0); }

}  // namespace
}  // namespace carillon
