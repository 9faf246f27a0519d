#include "bench/hunt/hunt_behaviour.h"

#include <array>
#include <charconv>
#include <string>
#include <vector>

namespace carillon::bench {
namespace {

constexpr std::uint64_t kRoundsPerMicrosecond = 320;  // Of mix(), each waiting for the one before; measured here.

constexpr std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15ull;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
  return value ^ (value >> 31);
}

// Where fillers are cut from: does not compress to nothing, and needs no escape in JSON.
constexpr auto kNoise = [] {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<char, 2 * kPayloadBytes> noise{};
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = kLetters[mixed(i) % kLetters.size()];
  return noise;
}();

// `bytes` of noise, up to kPayloadBytes; each producer has its own.
std::string_view filler_of(std::uint64_t id, std::size_t bytes) {
  return {kNoise.data() + (id >> 40) % kPayloadBytes, bytes};
}

std::size_t digits_of(std::uint64_t number) {
  std::size_t digits = 1;
  for (; number >= 10; number /= 10) ++digits;
  return digits;
}

std::size_t digits_of(std::int64_t number) {
  return number < 0 ? 1 + digits_of(-static_cast<std::uint64_t>(number))
                    : digits_of(static_cast<std::uint64_t>(number));
}

std::size_t digits_of(std::uint32_t number) { return digits_of(std::uint64_t{number}); }

std::size_t filler_bytes_of(const Find& find) {
  static const std::size_t kFixedBytes = to_json(Find{}).size() - 4;  // Without the four zeros.
  return kPayloadBytes - kFixedBytes - digits_of(find.id) - digits_of(find.at) - digits_of(find.index) -
         digits_of(find.player);
}

void fill(Find& find) { find.filler = filler_of(find.id, filler_bytes_of(find)); }

std::string name_of(std::uint32_t player) { return "p" + std::to_string(player); }

// Writes a payload from left to right.
struct Pen {
  std::array<char, kPayloadBytes> text;
  char* at = text.data();

  void put(std::string_view words) { at += words.copy(at, words.size()); }
  template <class T>
  void put_number(T number) {
    at = std::to_chars(at, text.data() + text.size(), number).ptr;
  }
};

// Reads a payload from left to right; once something is not as expected, `good` is false.
struct Eye {
  std::string_view rest;
  bool good = true;

  void skip(std::string_view words) {
    good = good && rest.starts_with(words);
    if (good) rest.remove_prefix(words.size());
  }
  template <class T>
  void take_number(T& number) {
    if (!good) return;
    const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    good = code == std::errc();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  }
};

}  // namespace

std::uint64_t mix(std::uint64_t value) { return mixed(value); }

std::uint32_t player_of(std::uint64_t id, std::uint32_t hub, std::uint32_t k, std::uint32_t audience) {
  return hub * audience + static_cast<std::uint32_t>(mix(id * 31 + k + 1) % audience);
}

Result<Effects> on(Hunt& hunt, const Dig& dig, const Context&) {
  if (dig.k > kNotificationsMax)
    return Error{ErrorCode::MALFORMED, "a dig has at most " + std::to_string(kNotificationsMax) + " notifications"};
  if (dig.k > 0 && dig.audience == 0) return Error{ErrorCode::MALFORMED, "there is nobody in an audience of 0"};
  ++hunt.events;
  hunt.digest = mix(hunt.digest ^ dig.id);
  hunt.finds += dig.k;
  Effects effects;
  Find find{.id = dig.id, .at = dig.at, .filler = {}};
  for (std::uint32_t k = 0; k < dig.k; ++k) {
    find.index = k;
    find.player = player_of(dig.id, dig.hub, k, dig.audience);
    fill(find);
    effects.notify(name_of(find.player), find);
  }
  return effects;
}

Result<Effects> on(Hunt& hunt, const Muster& muster, const Context&) {
  if (muster.players > kMusterMax)
    return Error{ErrorCode::MALFORMED, "a muster has at most " + std::to_string(kMusterMax) + " players"};
  hunt.finds += muster.players;
  Effects effects;
  Find find{.id = muster.id, .at = muster.at, .filler = {}};
  fill(find);
  std::vector<std::string> players;
  players.reserve(muster.players);
  for (std::uint32_t player = 0; player < muster.players; ++player) players.push_back(name_of(player));
  effects.notify_all(players, find);
  return effects;
}

Result<Effects> on(Hunt& hunt, const Burden& burden, const Context& context) {
  if (burden.spin_us > kSpinMicrosMax)
    return Error{ErrorCode::MALFORMED, "a burden is at most " + std::to_string(kSpinMicrosMax) + " microseconds"};
  std::uint64_t digest = context.offset();
  for (std::uint64_t rounds = burden.spin_us * kRoundsPerMicrosecond; rounds > 0; --rounds) digest = mixed(digest);
  // Every bit of the digest counts, or the compiler might leave the work out; it is never 0 in practice.
  hunt.burdens += digest != 0 ? 1 : 2;
  return Effects();
}

Behaviour hunt_behaviour() { return Behaviour::of<Hunt>("hunt", /*version=*/1).on<Dig>().on<Burden>().on<Muster>(); }

std::string encode_dig(const Dig& dig) {
  Pen pen;
  pen.put(R"({"id":)");
  pen.put_number(dig.id);
  pen.put(R"(,"at":)");
  pen.put_number(dig.at);
  pen.put(R"(,"hub":)");
  pen.put_number(dig.hub);
  pen.put(R"(,"k":)");
  pen.put_number(dig.k);
  pen.put(R"(,"audience":)");
  pen.put_number(dig.audience);
  pen.put(R"(,"filler":")");
  constexpr std::string_view kEnd = R"("})";
  pen.put(filler_of(dig.id, static_cast<std::size_t>(pen.text.end() - pen.at) - kEnd.size()));
  pen.put(kEnd);
  return std::string(pen.text.data(), pen.text.size());
}

std::string encode_find(const Find& find) {
  Pen pen;
  pen.put(R"({"id":)");
  pen.put_number(find.id);
  pen.put(R"(,"at":)");
  pen.put_number(find.at);
  pen.put(R"(,"index":)");
  pen.put_number(find.index);
  pen.put(R"(,"player":)");
  pen.put_number(find.player);
  pen.put(R"(,"filler":")");
  constexpr std::string_view kEnd = R"("})";
  pen.put(filler_of(find.id, static_cast<std::size_t>(pen.text.end() - pen.at) - kEnd.size()));
  pen.put(kEnd);
  return std::string(pen.text.data(), pen.text.size());
}

Result<Find> decode_find(std::string_view payload) {
  Find find;
  Eye eye{payload};
  eye.skip(R"({"id":)");
  eye.take_number(find.id);
  eye.skip(R"(,"at":)");
  eye.take_number(find.at);
  eye.skip(R"(,"index":)");
  eye.take_number(find.index);
  eye.skip(R"(,"player":)");
  eye.take_number(find.player);
  eye.skip(R"(,"filler":")");
  if (!eye.good || payload.size() != kPayloadBytes || !eye.rest.ends_with(R"("})"))
    return Error{ErrorCode::MALFORMED, "not the payload of a find"};
  return find;
}

}  // namespace carillon::bench
