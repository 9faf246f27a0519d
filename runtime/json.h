// JSON at the edges of the fold: judges what comes in, reads it field by field, writes what goes out.
//
// Pure. RapidJSON stays inside json.cc. Payloads and states are JSON objects (RFC 8259) in valid UTF-8, nested no
// deeper than the bounds below. Of a name that an object repeats, the first counts.
// JSON has no words for infinities: a double that is not finite travels as the string "inf", "-inf" or "nan". All
// others are written with the fewest digits that read back as the same bits.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "messages/result.h"

namespace carillon {

inline constexpr std::size_t kJsonDepthMax = 64;     // Objects and arrays inside one another, the outermost included.
inline constexpr std::size_t kPayloadDepthMax = 60;  // So that a message with it in is no deeper than kJsonDepthMax.
// Beyond it many readers round (RFC 8259, 6).
inline constexpr std::uint64_t kJsonIntegerMax = (std::uint64_t{1} << 53) - 1;

// Is `text`, the whole of it, one JSON object as above, nested at most `depth_max` deep? MALFORMED says what is wrong and at which byte.
// Fast enough for every publish.
Result<void> check_json_object(std::string_view text, std::size_t depth_max = kJsonDepthMax);

// Who is to read it. Others get what every reader of JSON takes: bytes that are no UTF-8, which JSON cannot hold, become U+FFFD, and a
// field that is an empty std::optional is left out. Hubs get back their states just as they were: such bytes become the escapes
// \udc80 to \udcff, which mean nothing otherwise (PEP 383), an empty std::optional is null, for its default may be another, and values
// may be nested kStateDepthMax deep.
enum class JsonFor { kOthers, kState };
inline constexpr std::size_t kStateDepthMax = 512;

// A value inside a JsonDocument; valid as long as that lives and parses nothing else. Cheap to copy.
class JsonValue {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };

  Type type() const;
  bool is_null() const { return type() == Type::kNull; }
  bool is_array() const { return type() == Type::kArray; }
  bool is_object() const { return type() == Type::kObject; }

  // Nothing when the value is of another type or does not fit. A number with a point or exponent is no integer.
  std::optional<bool> as_bool() const;
  std::optional<std::int64_t> as_int64() const;
  std::optional<std::uint64_t> as_uint64() const;
  std::optional<double> as_double() const;
  std::optional<std::string_view> as_string() const;

  // Of arrays and objects: how many elements or members; 0 for all others.
  std::size_t size() const;
  // Only for arrays, `i` below size().
  JsonValue element(std::size_t i) const;
  // Only for objects, `i` below size().
  std::string_view member_name(std::size_t i) const;
  JsonValue member(std::size_t i) const;
  // The member of that name; nothing in any other type of value.
  std::optional<JsonValue> find(std::string_view name) const;
  // The same, faster for those who ask in the order in which members were written: begin with `next` = 0.
  std::optional<JsonValue> find(std::string_view name, std::size_t& next) const;

 private:
  friend class JsonDocument;
  explicit JsonValue(const void* node) : node_(node) {}

  const void* node_;  // A rapidjson value.
};

// One parsed JSON object. Small ones fit in the document itself, so make it a local variable and parse once.
class JsonDocument {
 public:
  JsonDocument();
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  // Judges as check_json_object does; with `kKept` the escapes above are taken as well. `text` is not needed afterwards.
  Result<void> parse(std::string_view text, JsonFor reader = JsonFor::kOthers);
  // The object; only after a parse() that went well.
  JsonValue root() const;

 private:
  struct Tree;
  static constexpr std::size_t kTreeBytes = 4096;

  Tree& tree();
  const Tree& tree() const;

  alignas(std::max_align_t) std::byte storage_[kTreeBytes];
};

// Writes JSON into a string, placing commas and escapes. The caller keeps to the grammar: a key before each value of an
// object, an end for each begin. The output is always valid UTF-8.
class JsonWriter {
 public:
  explicit JsonWriter(std::size_t reserved_bytes = 160, JsonFor reader = JsonFor::kOthers) : reader_(reader) {
    text_.reserve(reserved_bytes);
  }

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& null() { return raw("null"); }
  JsonWriter& value(std::string_view text);
  JsonWriter& value(double number);
  template <std::integral T>
  JsonWriter& value(T number) {
    if constexpr (std::same_as<T, bool>)
      return raw(number ? "true" : "false");
    else if constexpr (std::signed_integral<T>)
      return signed_integer(number);
    else
      return unsigned_integer(number);
  }
  JsonWriter& value(const JsonValue& copied);
  // `json` is one valid JSON value, as a payload that was checked.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }

  JsonFor reader() const { return reader_; }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& signed_integer(std::int64_t number);
  JsonWriter& unsigned_integer(std::uint64_t number);
  void separate();
  void quote(std::string_view text);

  JsonFor reader_;
  std::string text_;
  bool comma_due_ = false;  // Before whatever comes next, unless that is an end.
};

}  // namespace carillon
