#include "actors/request_guard.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace carillon::actors {
namespace {

constexpr std::size_t kLengthDigitsMax = 18;
constexpr std::size_t kChunkDigitsMax = 15;
constexpr std::string_view kBlank = " \t";

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool read_number(std::string_view text, int base, std::uint64_t& number) {
  const auto* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number, base);
  return read.ec == std::errc() && read.ptr == end;
}

}  // namespace

bool RequestGuard::take(std::string_view bytes) {
  while (!bytes.empty() && at_ != At::kOver) {
    ends_with_header_ = false;
    if (at_ == At::kBody || at_ == At::kChunk) {
      const auto taken = std::min<std::uint64_t>(bytes.size(), body_left_);
      bytes.remove_prefix(taken);
      body_left_ -= taken;
      if (body_left_ == 0) at_ = at_ == At::kBody ? At::kHeader : At::kChunkEnd;
      continue;
    }
    const char byte = bytes.front();
    bytes.remove_prefix(1);
    if (byte == '\n') {
      cr_ = false;
      if (!take_line()) return false;
      line_.clear();
      line_bytes_ = 0;
      continue;
    }
    if (cr_) return false;
    cr_ = byte == '\r';
    if (cr_) continue;
    ++line_bytes_;
    if (line_.size() < kLineBytesMax) line_ += byte;
  }
  return true;
}

bool RequestGuard::take_line() {
  switch (at_) {
    case At::kHeader:
      if (line_bytes_ > 0 && requested_) return take_field();
      if (line_bytes_ > 0)
        requested_ = true;
      else if (requested_)
        header_complete();
      return true;
    case At::kChunkSize:
      if (line_bytes_ > kChunkDigitsMax && line_.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos)
        return false;
      if (!read_number(line_, 16, body_left_))
        at_ = At::kOver;
      else
        at_ = body_left_ > 0 ? At::kChunk : At::kEnd;
      return true;
    case At::kChunkEnd:
      at_ = line_bytes_ == 0 ? At::kChunkSize : At::kOver;
      return true;
    case At::kEnd:
      at_ = line_bytes_ == 0 ? At::kHeader : At::kOver;
      return true;
    case At::kBody:
    case At::kChunk:
    case At::kOver:
      break;
  }
  return true;
}

bool RequestGuard::take_field() {
  const std::string_view line = line_;
  if (kBlank.find(line.front()) != std::string_view::npos) {  // A folded line goes on with the field before it.
    if (framing_) at_ = At::kOver;
    return true;
  }
  framing_ = false;
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  const auto name = line.substr(0, colon);
  if (name.find_first_of(kBlank) != std::string_view::npos) return false;
  const auto value = trimmed(line.substr(colon + 1));
  if (is_same(name, "Content-Length")) {
    framing_ = true;
    if (value.empty()) return false;
    if (std::exchange(has_length_, true) || value.size() > kLengthDigitsMax || !read_number(value, 10, body_left_))
      at_ = At::kOver;
  } else if (is_same(name, "Transfer-Encoding")) {
    framing_ = true;
    if (std::exchange(chunked_, true) || !is_same(value, "chunked")) at_ = At::kOver;
  }
  if (has_length_ && chunked_) at_ = At::kOver;
  return true;
}

void RequestGuard::header_complete() {
  ++headers_;
  ends_with_header_ = true;
  at_ = chunked_ ? At::kChunkSize : body_left_ > 0 ? At::kBody : At::kHeader;
  requested_ = framing_ = has_length_ = chunked_ = false;
}

}  // namespace carillon::actors
