#include "messages/trace_parent.h"

#include <algorithm>
#include <span>

namespace carillon {
namespace {

constexpr std::size_t kTraceIdBytes = 16;
constexpr std::size_t kParentIdBytes = 8;
constexpr char kSampled = 0x01;

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;  // Upper case is not allowed.
  return std::nullopt;
}

// Fills `bytes` from as many digits as it takes. False when there are others among them.
template <class Bytes>
bool read_hex(std::string_view text, Bytes bytes) {
  for (auto& byte : bytes) {
    const auto high = digit(text[0]), low = digit(text[1]);
    if (!high || !low) return false;
    byte = static_cast<char>(*high << 4 | *low);
    text.remove_prefix(2);
  }
  return true;
}

void add_hex(std::string& text, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 0xf]);
  }
}

bool is_zero(std::string_view bytes) { return bytes.find_first_not_of('\0') == std::string_view::npos; }

}  // namespace

std::optional<TraceParent> TraceParent::parse(std::string_view text) {
  if (text.size() < kTextBytes || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  std::array<char, 1> version{};
  TraceParent parsed;
  const std::span<char, kBytes> bytes(parsed.bytes_);
  if (!read_hex(text, std::span(version)) || version[0] == '\xff') return std::nullopt;
  if (!read_hex(text.substr(3), bytes.first<kTraceIdBytes>()) ||
      !read_hex(text.substr(36), bytes.subspan<kTraceIdBytes, kParentIdBytes>()) ||
      !read_hex(text.substr(53), bytes.last<1>()))
    return std::nullopt;
  if (version[0] == 0) {
    if (text.size() != kTextBytes) return std::nullopt;
  } else {
    if (text.size() > kTextBytes && text[kTextBytes] != '-') return std::nullopt;
    parsed.bytes_.back() &= kSampled;
  }
  return from_bytes(parsed.bytes());
}

std::optional<TraceParent> TraceParent::from_bytes(std::string_view bytes) {
  if (bytes.size() != kBytes || is_zero(bytes.substr(0, kTraceIdBytes)) ||
      is_zero(bytes.substr(kTraceIdBytes, kParentIdBytes)))
    return std::nullopt;
  TraceParent parent;
  std::ranges::copy(bytes, parent.bytes_.begin());
  return parent;
}

std::string TraceParent::text() const {
  std::string text = "00-";
  text.reserve(kTextBytes);
  add_hex(text, bytes().substr(0, kTraceIdBytes));
  text.push_back('-');
  add_hex(text, bytes().substr(kTraceIdBytes, kParentIdBytes));
  text.push_back('-');
  add_hex(text, bytes().substr(kTraceIdBytes + kParentIdBytes));
  return text;
}

std::string TraceParent::trace_id() const {
  std::string text;
  add_hex(text, bytes().substr(0, kTraceIdBytes));
  return text;
}

}  // namespace carillon
