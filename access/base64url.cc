#include "access/base64url.h"

#include <cstdint>

namespace carillon::access {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr unsigned kBitsPerLetter = 6, kBitsPerByte = 8;

int value_of(char letter) {
  if (letter >= 'A' && letter <= 'Z') return letter - 'A';
  if (letter >= 'a' && letter <= 'z') return letter - 'a' + 26;
  if (letter >= '0' && letter <= '9') return letter - '0' + 52;
  if (letter == '-') return 62;
  if (letter == '_') return 63;
  return -1;
}

}  // namespace

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t pending = 0;
  unsigned bits = 0;
  for (const char letter : text) {
    const int value = value_of(letter);
    if (value < 0) return std::nullopt;
    pending = pending << kBitsPerLetter | static_cast<std::uint32_t>(value);
    bits += kBitsPerLetter;
    if (bits < kBitsPerByte) continue;
    bits -= kBitsPerByte;
    bytes += static_cast<char>(pending >> bits & 0xff);
    pending &= (1u << bits) - 1;
  }
  if (pending != 0) return std::nullopt;
  return bytes;
}

std::string to_base64url(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t pending = 0;
  unsigned bits = 0;
  for (const char byte : bytes) {
    pending = pending << kBitsPerByte | static_cast<unsigned char>(byte);
    bits += kBitsPerByte;
    for (; bits >= kBitsPerLetter; bits -= kBitsPerLetter) text += kAlphabet[pending >> (bits - kBitsPerLetter) & 0x3f];
    pending &= (1u << bits) - 1;
  }
  if (bits > 0) text += kAlphabet[pending << (kBitsPerLetter - bits) & 0x3f];
  return text;
}

}  // namespace carillon::access
