#include "runtime/json.h"

#ifdef __SSE2__
#define RAPIDJSON_SSE2  // No other file may include RapidJSON, or the linker would mix both kinds.
#endif
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

namespace carillon {
namespace {

using Pool = rapidjson::MemoryPoolAllocator<>;
using Dom = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Pool>;
using Node = Dom::ValueType;
using Reader = rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, Pool>;

const Node& as_node(const void* node) { return *static_cast<const Node*>(node); }

// Forwards what RapidJSON's reader meets to `next`, and stops it at what our rules forbid.
template <class Next>
class Guard {
 public:
  Guard(Next& next, bool has_escapes, JsonFor reader, std::size_t depth_max)
      : next_(next), has_escapes_(has_escapes), reader_(reader), depth_max_(depth_max) {}

  // Why the reader was stopped; empty when it was not.
  const std::string& objection() const { return objection_; }

  bool Null() { return inside() && next_.Null(); }
  bool Bool(bool value) { return inside() && next_.Bool(value); }
  // Never called, since numbers come as text; RapidJSON wants them there.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  // RapidJSON 1.1's own full precision reads beyond a table when many zeros stand behind the point, and its other one takes some
  // numbers that are too big for infinite, so that numbers are read here.
  bool RawNumber(const char* text, rapidjson::SizeType bytes, bool) { return inside() && number({text, bytes}); }
  bool String(const char* text, rapidjson::SizeType bytes, bool copy) {
    return inside() && take_surrogates(text, bytes) && next_.String(text, bytes, copy);
  }
  bool Key(const char* text, rapidjson::SizeType bytes, bool copy) {
    return take_surrogates(text, bytes) && next_.Key(text, bytes, copy);
  }
  bool StartObject() { return descend() && next_.StartObject(); }
  bool EndObject(rapidjson::SizeType members) { return --depth_, next_.EndObject(members); }
  bool StartArray() { return inside() && descend() && next_.StartArray(); }
  bool EndArray(rapidjson::SizeType elements) { return --depth_, next_.EndArray(elements); }

 private:
  bool object_to(std::string reason) { return objection_ = std::move(reason), false; }
  bool inside() { return depth_ > 0 || object_to("the outermost value must be an object"); }
  bool descend() {
    return ++depth_ <= depth_max_ || object_to("nested more than " + std::to_string(depth_max_) + " deep");
  }

  bool number(std::string_view text) {
    const char* const end = text.data() + text.size();
    if (text.find_first_of(".eE") == std::string_view::npos) {
      std::int64_t negative = 0;
      std::uint64_t positive = 0;
      if (text[0] == '-') {
        if (std::from_chars(text.data(), end, negative).ec == std::errc()) return next_.Int64(negative);
      } else if (std::from_chars(text.data(), end, positive).ec == std::errc()) {
        return next_.Uint64(positive);
      }
    }
    double value = 0;
    if (std::from_chars(text.data(), end, value).ec != std::errc())
      value = std::strtod(std::string(text).c_str(), nullptr);  // Too small, which is 0 or nearly, or too big.
    return std::isinf(value) ? object_to("a number that is too big") : next_.Double(value);
  }

  // RapidJSON 1.1 lets the escape of a lone low surrogate (\udc00) through; decoded, it is no UTF-8. What stands for a byte becomes
  // that byte, in place: `text` lies in the copy that is decoded in place anyway.
  static bool has_surrogate(std::string_view text) {
    for (auto at = text.find('\xed'); at != std::string_view::npos; at = text.find('\xed', at + 1))
      if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xa0) return true;
    return false;
  }
  bool take_surrogates(const char* text, rapidjson::SizeType& bytes) {
    if (!has_escapes_ || !has_surrogate({text, bytes})) return true;
    char* const begin = const_cast<char*>(text);
    const auto at = [&](rapidjson::SizeType i) { return i < bytes ? static_cast<unsigned char>(begin[i]) : 0u; };
    rapidjson::SizeType kept = 0;
    for (rapidjson::SizeType i = 0; i < bytes; ++kept) {
      if (at(i) != 0xed || at(i + 1) < 0xa0) {
        begin[kept] = begin[i++];
        continue;
      }
      const auto byte = ((at(i + 1) & 0x3fu) << 6 | (at(i + 2) & 0x3fu)) & 0xffu;
      const bool is_byte = (at(i + 1) == 0xb2 || at(i + 1) == 0xb3) && byte >= 0x80;
      if (reader_ != JsonFor::kState || !is_byte) return object_to("a lone surrogate");
      begin[kept] = static_cast<char>(byte);
      i += 3;
    }
    bytes = kept;
    return true;
  }

  Next& next_;
  const bool has_escapes_;
  const JsonFor reader_;
  const std::size_t depth_max_;
  std::size_t depth_ = 0;
  std::string objection_;
};

struct Ignore : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Ignore> {};

struct Discard {
  void Put(char) {}
};

// How many bytes the code point at the front of `text` takes; 0 when it is none.
std::size_t code_point_bytes(std::string_view text) {
  rapidjson::MemoryStream stream(text.data(), text.size());
  Discard discard;
  return rapidjson::UTF8<>::Validate(stream, discard) ? stream.Tell() : 0;
}

// RapidJSON 1.1 overlooks these in strings where it looks at 16 bytes at a time. No JSON holds them.
bool is_overlooked(char c) { return c >= 0x1a && c <= 0x1f; }

// Where `text` stops to be UTF-8, or holds what is overlooked; its size when it does not.
std::size_t utf8_bytes(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t word;
    if (text.size() - at >= sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      // Eight letters of ASCII, none below the space (of such letters the subtraction leaves the highest bit set).
      if (((word | (word - 0x2020202020202020ull)) & 0x8080808080808080ull) == 0) {
        at += sizeof word;
        continue;
      }
    }
    const std::size_t bytes = code_point_bytes(text.substr(at));
    if (bytes == 0 || is_overlooked(text[at])) return at;
    at += bytes;
  }
  return at;
}

Error not_an_object(std::size_t at, std::string_view reason) {
  return {ErrorCode::MALFORMED, ("not a JSON object in UTF-8; at byte " + std::to_string(at) + ": ").append(reason)};
}

// Shows `next` what stands in `text`. Strings are views of a copy in `pool`, decoded in place.
// The guard bounds the depth, so the reader may recurse, which is faster than its iterative way. What is known to be
// UTF-8 as a whole needs no second look string by string.
template <class Next>
Result<void> read(std::string_view text, JsonFor purpose, std::size_t depth_max, Pool& pool, Next& next) {
  if (const auto good = utf8_bytes(text); good != text.size())
    return not_an_object(good, is_overlooked(text[good]) ? "a control character" : "no UTF-8");
  constexpr std::size_t kPaddingBytes = 16;  // SSE2 reads so far beyond what it looks for.
  char* const copy = static_cast<char*>(pool.Malloc(text.size() + kPaddingBytes));
  if (copy == nullptr) throw std::bad_alloc();
  std::memset(copy + text.copy(copy, text.size()), 0, kPaddingBytes);
  rapidjson::InsituStringStream stream(copy);
  Guard<Next> guard(next, text.find('\\') != std::string_view::npos, purpose, depth_max);
  Reader reader(&pool, 512);
  constexpr unsigned kFlags = rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseInsituFlag;
  const rapidjson::ParseResult outcome = reader.template Parse<kFlags>(stream, guard);
  if (!guard.objection().empty()) return not_an_object(outcome.Offset(), guard.objection());
  if (outcome.IsError()) return not_an_object(outcome.Offset(), rapidjson::GetParseError_En(outcome.Code()));
  if (stream.Tell() != text.size())
    return not_an_object(stream.Tell(), "a zero byte");  // The reader takes it for the end.
  return {};
}

}  // namespace

Result<void> check_json_object(std::string_view text, std::size_t depth_max) {
  alignas(std::max_align_t) char memory[2048];
  Pool pool(memory, sizeof memory);
  Ignore ignore;
  return read(text, JsonFor::kOthers, depth_max, pool, ignore);
}

JsonValue::Type JsonValue::type() const {
  switch (as_node(node_).GetType()) {
    case rapidjson::kNullType:
      return Type::kNull;
    case rapidjson::kFalseType:
    case rapidjson::kTrueType:
      return Type::kBool;
    case rapidjson::kNumberType:
      return Type::kNumber;
    case rapidjson::kStringType:
      return Type::kString;
    case rapidjson::kArrayType:
      return Type::kArray;
    case rapidjson::kObjectType:
      return Type::kObject;
  }
  return Type::kNull;
}

std::optional<bool> JsonValue::as_bool() const {
  const Node& node = as_node(node_);
  if (!node.IsBool()) return std::nullopt;
  return node.GetBool();
}

std::optional<std::int64_t> JsonValue::as_int64() const {
  const Node& node = as_node(node_);
  if (!node.IsInt64()) return std::nullopt;
  return node.GetInt64();
}

std::optional<std::uint64_t> JsonValue::as_uint64() const {
  const Node& node = as_node(node_);
  if (!node.IsUint64()) return std::nullopt;
  return node.GetUint64();
}

std::optional<double> JsonValue::as_double() const {
  const Node& node = as_node(node_);
  if (node.IsNumber()) return node.GetDouble();
  const auto text = as_string();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

std::optional<std::string_view> JsonValue::as_string() const {
  const Node& node = as_node(node_);
  if (!node.IsString()) return std::nullopt;
  return std::string_view(node.GetString(), node.GetStringLength());
}

std::size_t JsonValue::size() const {
  const Node& node = as_node(node_);
  return node.IsArray() ? node.Size() : node.IsObject() ? node.MemberCount() : 0;
}

JsonValue JsonValue::element(std::size_t i) const {
  CHECK(is_array() && i < size());
  return JsonValue(&as_node(node_)[static_cast<rapidjson::SizeType>(i)]);
}

std::string_view JsonValue::member_name(std::size_t i) const {
  CHECK(is_object() && i < size());
  const Node& name = (as_node(node_).MemberBegin() + static_cast<std::ptrdiff_t>(i))->name;
  return {name.GetString(), name.GetStringLength()};
}

JsonValue JsonValue::member(std::size_t i) const {
  CHECK(is_object() && i < size());
  return JsonValue(&(as_node(node_).MemberBegin() + static_cast<std::ptrdiff_t>(i))->value);
}

std::optional<JsonValue> JsonValue::find(std::string_view name) const {
  std::size_t next = 0;
  return find(name, next);
}

// Only a scan from the first member on finds the first of repeated names, so the shortcut is taken only while each
// member so far was asked for in turn.
std::optional<JsonValue> JsonValue::find(std::string_view name, std::size_t& next) const {
  const Node& node = as_node(node_);
  if (!node.IsObject()) return std::nullopt;
  const auto begin = node.MemberBegin();
  const std::size_t count = node.MemberCount();
  const auto matches = [&](std::size_t i) {
    const Node& candidate = (begin + static_cast<std::ptrdiff_t>(i))->name;
    return name == std::string_view(candidate.GetString(), candidate.GetStringLength());
  };
  const auto at = [&](std::size_t i) { return JsonValue(&(begin + static_cast<std::ptrdiff_t>(i))->value); };
  if (next < count && matches(next)) return at(next++);
  for (std::size_t i = 0; i < count; ++i)
    if (matches(i)) return at(i);
  return std::nullopt;
}

struct JsonDocument::Tree {
  // The order of destruction matters: the pool goes last.
  alignas(std::max_align_t) char memory[kTreeBytes - 512];  // Enough for a payload of a few hundred bytes.
  Pool pool{memory, sizeof memory};
  Dom dom{&pool, 1024, &pool};
};

JsonDocument::JsonDocument() {
  static_assert(sizeof(Tree) <= kTreeBytes && alignof(Tree) <= alignof(std::max_align_t));
  ::new (static_cast<void*>(storage_)) Tree;
}

JsonDocument::~JsonDocument() { tree().~Tree(); }

JsonDocument::Tree& JsonDocument::tree() { return *std::launder(reinterpret_cast<Tree*>(storage_)); }
const JsonDocument::Tree& JsonDocument::tree() const { return *std::launder(reinterpret_cast<const Tree*>(storage_)); }

Result<void> JsonDocument::parse(std::string_view text, JsonFor reader) {
  Result<void> outcome;
  Tree& into = tree();
  into.dom.SetNull();
  const auto generate = [&](Dom& handler) {
    outcome = read(text, reader, reader == JsonFor::kState ? kStateDepthMax : kJsonDepthMax, into.pool, handler);
    return outcome.ok();
  };
  into.dom.Populate(generate);
  return outcome;
}

JsonValue JsonDocument::root() const {
  const Node& node = tree().dom;
  CHECK(node.IsObject());
  return JsonValue(&node);
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  comma_due_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  text_ += bracket;
  comma_due_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  text_ += ':';
  comma_due_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  quote(text);
  comma_due_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (std::isnan(number)) return value(std::string_view("nan"));
  if (std::isinf(number)) return value(std::string_view(number > 0 ? "inf" : "-inf"));
  char digits[40];
  char* end = std::to_chars(digits, digits + sizeof digits - 2, number).ptr;
  // With a point it reads back as a double, which keeps the sign of -0.0.
  if (std::string_view(digits, static_cast<std::size_t>(end - digits)).find_first_of(".e") == std::string_view::npos)
    *end++ = '.', *end++ = '0';
  return raw({digits, static_cast<std::size_t>(end - digits)});
}

JsonWriter& JsonWriter::signed_integer(std::int64_t number) {
  char digits[24];
  const char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return raw({digits, static_cast<std::size_t>(end - digits)});
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t number) {
  char digits[24];
  const char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return raw({digits, static_cast<std::size_t>(end - digits)});
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  text_ += json;
  comma_due_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(const JsonValue& copied) {
  switch (copied.type()) {
    case JsonValue::Type::kNull:
      return null();
    case JsonValue::Type::kBool:
      return value(*copied.as_bool());
    case JsonValue::Type::kString:
      return value(*copied.as_string());
    case JsonValue::Type::kNumber:
      if (const auto integer = copied.as_int64()) return value(*integer);
      if (const auto integer = copied.as_uint64()) return value(*integer);
      return value(*copied.as_double());
    case JsonValue::Type::kArray:
      begin_array();
      for (std::size_t i = 0; i < copied.size(); ++i) value(copied.element(i));
      return end_array();
    case JsonValue::Type::kObject:
      begin_object();
      for (std::size_t i = 0; i < copied.size(); ++i) key(copied.member_name(i)).value(copied.member(i));
      return end_object();
  }
  return *this;
}

void JsonWriter::separate() {
  if (comma_due_) text_ += ',';
}

namespace {

// What a byte of a string needs: 0 nothing, 1 an escape, 2 a look at what follows (not ASCII).
constexpr auto kNeeds = [] {
  std::array<std::uint8_t, 256> needs{};
  for (std::size_t i = 0; i < 0x20; ++i) needs[i] = 1;
  needs['"'] = needs['\\'] = 1;
  for (std::size_t i = 0x80; i < 0x100; ++i) needs[i] = 2;
  return needs;
}();

constexpr std::string_view kHex = "0123456789abcdef";

void append_byte(std::string& out, unsigned char c) { ((out += "\\udc") += kHex[c >> 4]) += kHex[c & 15]; }

void append_escape(std::string& out, unsigned char c) {
  static constexpr std::string_view kLetters = "btn?fr";  // From U+0008 on; U+000B has none.
  out += '\\';
  if (c == '"' || c == '\\')
    out += static_cast<char>(c);
  else if (c >= 8 && c <= 13 && c != 11)
    out += kLetters[c - 8u];
  else
    ((out += "u00") += kHex[c >> 4]) += kHex[c & 15];
}

}  // namespace

void JsonWriter::quote(std::string_view text) {
  text_ += '"';
  const char* run = text.data();  // Where begins what can be copied as it is.
  const char* at = run;
  const char* const end = at + text.size();
  while (at != end) {
    const auto needs = kNeeds[static_cast<unsigned char>(*at)];
    if (needs == 0) {
      ++at;
      continue;
    }
    if (needs == 2) {
      const std::size_t bytes = code_point_bytes({at, static_cast<std::size_t>(end - at)});
      at += bytes;
      if (bytes > 0) continue;
    }
    text_.append(run, at);
    if (needs == 1)
      append_escape(text_, static_cast<unsigned char>(*at));
    else if (reader_ == JsonFor::kOthers)
      text_ += "\xef\xbf\xbd";
    else
      append_byte(text_, static_cast<unsigned char>(*at));
    run = ++at;
  }
  text_.append(run, at);
  text_ += '"';
}

}  // namespace carillon
