// What may fail gives a `Result`: a value, or an `Error` with a code from the closed list and one sentence of context.
//
// The codes and what a client should do about each are documented in client.capnp. Our own code throws nothing but
// `BrokenInvariant`; the file that owns a library turns its errors into a `Result`.
#pragma once

#include <messages/client.capnp.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace carillon {

using ErrorCode = wire::ErrorCode;

// The stable name of a code: `payload_too_large`.
std::string_view name_of(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::UNAVAILABLE;
  std::string message;                       // One sentence for a person: what is wrong and what to do.
  std::uint64_t first_offset = 0;            // For TRUNCATED and BEYOND_END: the nearest offset that can be asked for.
  std::chrono::milliseconds retry_after{0};  // How long to wait; 0: as long as with every error of this code.
};

// "payload_too_large: 70000 bytes, at most 65536 are allowed".
std::string to_string(const Error& error);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : outcome_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : outcome_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return outcome_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok().
  T& value() { return std::get<0>(outcome_); }
  const T& value() const { return std::get<0>(outcome_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Only when not ok().
  Error& error() { return std::get<1>(outcome_); }
  const Error& error() const { return std::get<1>(outcome_); }

 private:
  std::variant<T, Error> outcome_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  // Only when not ok().
  Error& error() { return error_; }
  const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

// A bug was met. Ends the actor that met it; its partition then reloads from disk.
struct BrokenInvariant : std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void fail_check(const char* condition, const char* file, int line);

// A broken invariant is a bug, in every build.
#define CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::carillon::fail_check(#condition, __FILE__, __LINE__))

}  // namespace carillon
