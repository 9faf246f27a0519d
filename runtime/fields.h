// Turns a plain struct into JSON and back, through the one function in which it lists its fields:
//
//   struct Kill { std::uint32_t killer = 0; std::string means; };
//   template <class Fields> void inspect(Fields& fields, Kill& kill) {
//     fields("killer", kill.killer);
//     fields("means", kill.means);
//   }
//
// A field is a bool, an integer, a double, a std::string, a struct with an inspect of its own, or a std::vector,
// std::optional or std::map with string keys of these. Reading: a missing field keeps the struct's default, an unknown
// one is passed over, one of the wrong type or out of range is an error that names it. Writing: in the order of
// inspect, an empty optional not at all; equal structs always give equal text.
// Pure. Users of the SDK see no more of this file than the lines above.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "messages/result.h"
#include "runtime/json.h"

namespace carillon {
namespace detail {

struct AnyFields {
  template <class T>
  void operator()(std::string_view, T&) {}
};

template <class T>
concept Inspectable = requires(AnyFields& fields, T& value) {
  inspect(fields, value);
};

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_map = false;
template <class T, class Less>
inline constexpr bool is_map<std::map<std::string, T, Less>> = true;
template <class>
inline constexpr bool is_no_field = false;

class FieldWriter {
 public:
  explicit FieldWriter(JsonWriter& out) : out_(out) {}

  template <class T>
  void operator()(std::string_view name, const T& value) {
    if constexpr (is_optional<T>)
      if (!value && out_.reader() == JsonFor::kOthers) return;
    out_.key(name);
    write(value);
  }

  template <class T>
  void write(const T& value) {
    if constexpr (std::integral<T> || std::floating_point<T> || std::same_as<T, std::string>) {
      out_.value(value);
    } else if constexpr (is_optional<T>) {
      if (value)
        write(*value);
      else
        out_.null();
    } else if constexpr (is_vector<T>) {
      out_.begin_array();
      for (const typename T::value_type& element : value) write(element);
      out_.end_array();
    } else if constexpr (is_map<T>) {
      out_.begin_object();
      for (const auto& [key, element] : value) {
        out_.key(key);
        write(element);
      }
      out_.end_object();
    } else {
      static_assert(Inspectable<T>, "a field of this type needs: template <class F> void inspect(F& fields, T& value)");
      out_.begin_object();
      inspect(*this, const_cast<T&>(value));  // One inspect serves both ways; a writer only reads.
      out_.end_object();
    }
  }

 private:
  JsonWriter& out_;
};

class FieldReader {
 public:
  // `wrong` must be empty; the first thing that is wrong is put there, as ".players[3].score must be an integer …".
  FieldReader(const JsonValue& object, std::string& wrong) : object_(object), wrong_(wrong) {}

  template <class T>
  void operator()(std::string_view name, T& value) {
    if (!wrong_.empty()) return;
    const auto member = object_.find(name, next_);
    if (member && !read(*member, value)) wrong_.insert(0, name).insert(0, 1, '.');
  }

  template <class T>
  bool read(const JsonValue& json, T& value) {
    if constexpr (std::same_as<T, bool>) {
      return assign(value, json.as_bool(), " must be true or false");
    } else if constexpr (std::integral<T>) {
      return read_integer(json, value);
    } else if constexpr (std::floating_point<T>) {
      return assign(value, json.as_double(), " must be a number");
    } else if constexpr (std::same_as<T, std::string>) {
      return assign(value, json.as_string(), " must be a string");
    } else if constexpr (is_optional<T>) {
      value.reset();
      return json.is_null() || read(json, value.emplace());
    } else if constexpr (is_vector<T>) {
      return read_elements(json, value);
    } else if constexpr (is_map<T>) {
      return read_members(json, value);
    } else {
      static_assert(Inspectable<T>, "a field of this type needs: template <class F> void inspect(F& fields, T& value)");
      if (!json.is_object()) return fail(" must be an object");
      FieldReader nested(json, wrong_);
      inspect(nested, value);
      return wrong_.empty();
    }
  }

 private:
  bool fail(std::string reason) { return wrong_ = std::move(reason), false; }

  template <class T, class Read>
  bool assign(T& value, const std::optional<Read>& read, const char* otherwise) {
    if (!read) return fail(otherwise);
    value = static_cast<T>(*read);
    return true;
  }

  template <class T>
  bool read_integer(const JsonValue& json, T& value) {
    const auto fits = [&](const auto& number) { return number && std::in_range<T>(*number); };
    if constexpr (std::signed_integral<T>) {
      if (const auto number = json.as_int64(); fits(number)) return value = static_cast<T>(*number), true;
    } else {
      if (const auto number = json.as_uint64(); fits(number)) return value = static_cast<T>(*number), true;
    }
    return fail(" must be an integer from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                std::to_string(std::numeric_limits<T>::max()));
  }

  template <class T>
  bool read_elements(const JsonValue& json, std::vector<T>& value) {
    if (!json.is_array()) return fail(" must be an array");
    value.clear();
    value.reserve(json.size());
    for (std::size_t i = 0; i < json.size(); ++i) {
      T element{};
      if (!read(json.element(i), element)) return wrong_.insert(0, "[" + std::to_string(i) + "]"), false;
      value.push_back(std::move(element));
    }
    return true;
  }

  template <class T, class Less>
  bool read_members(const JsonValue& json, std::map<std::string, T, Less>& value) {
    if (!json.is_object()) return fail(" must be an object");
    value.clear();
    for (std::size_t i = 0; i < json.size(); ++i) {
      const auto [place, is_new] = value.try_emplace(std::string(json.member_name(i)));
      if (is_new && !read(json.member(i), place->second)) return wrong_.insert(0, "." + place->first), false;
    }
    return true;
  }

  const JsonValue object_;
  std::string& wrong_;
  std::size_t next_ = 0;
};

}  // namespace detail

// `value` as a JSON object.
template <class T>
std::string to_json(const T& value, JsonFor reader = JsonFor::kOthers) {
  static_assert(detail::Inspectable<T>, "this type needs: template <class F> void inspect(F& fields, T& value)");
  JsonWriter out(160, reader);
  detail::FieldWriter(out).write(value);
  return out.take();
}

// Reads a JSON object into a new T. MALFORMED says where the text or which field is wrong.
template <class T>
Result<T> from_json(std::string_view text, JsonFor reader = JsonFor::kOthers) {
  static_assert(detail::Inspectable<T>, "this type needs: template <class F> void inspect(F& fields, T& value)");
  JsonDocument document;
  if (auto parsed = document.parse(text, reader); !parsed) return parsed.error();
  T value{};
  std::string wrong;
  detail::FieldReader fields(document.root(), wrong);
  inspect(fields, value);
  if (!wrong.empty()) return Error{ErrorCode::MALFORMED, "field " + wrong.substr(1)};
  return value;
}

}  // namespace carillon
