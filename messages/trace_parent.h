// Where an event stands in a distributed trace: the field `traceparent` of W3C Trace Context (https://www.w3.org/TR/trace-context/).
//
// Pure; 25 bytes, no memory of its own. Carillon takes no part in traces: it hands on what it was given, from publish to
// notification (docs/decisions.md). `tracestate` is not carried.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace carillon {

class TraceParent {
 public:
  static constexpr std::size_t kTextBytes = 55;
  static constexpr std::size_t kBytes = 25;

  // `VERSION-TRACEID-PARENTID-FLAGS` in lower-case hexadecimal. Nothing when it is none: whoever gets such a one goes on as
  // if there were none. Of a version above 00, what that version may have appended is dropped, and of the flags only
  // `sampled` is kept: it goes on as version 00, as the recommendation asks for.
  static std::optional<TraceParent> parse(std::string_view text);
  // What bytes() gave. Nothing when it is not that.
  static std::optional<TraceParent> from_bytes(std::string_view bytes);

  // As version 00.
  std::string text() const;
  // The 32 digits that all parts of one trace share, for logs.
  std::string trace_id() const;
  // Trace id (16), parent id (8) and flags (1). Valid as long as this object.
  std::string_view bytes() const { return {bytes_.data(), bytes_.size()}; }

  bool operator==(const TraceParent&) const = default;

 private:
  std::array<char, kBytes> bytes_{};
};

}  // namespace carillon
