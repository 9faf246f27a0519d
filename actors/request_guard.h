// Looks at the requests of an HTTP connection before KJ's parser sees them, for what KJ takes and others understand differently.
//
// Pure. A proxy in front that reads a header in another way would let pass a request that it has not seen (request smuggling).
// KJ 0.9.2 ends lines at a CR without LF, takes `Content-Length : 2` and an empty length, and forgets the upper digits of a chunk's
// length. What it refuses itself, or HttpFront does, is not judged here: with that the connection ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace carillon::actors {

class RequestGuard {
 public:
  // What came next. False: the connection is to end, with no answer; then nothing more is to be asked.
  [[nodiscard]] bool take(std::string_view bytes);

  // Headers that are complete so far.
  std::uint64_t headers() const { return headers_; }
  // Nothing came behind the last of them, nor a body that belongs to it.
  bool ends_with_header() const { return ends_with_header_; }

 private:
  enum class At { kHeader, kBody, kChunkSize, kChunk, kChunkEnd, kEnd, kOver };
  static constexpr std::size_t kLineBytesMax =
      64;  // So much of a line is looked at: names and values that matter are short.

  bool take_line();
  bool take_field();
  void header_complete();

  At at_ = At::kHeader;
  std::string line_;            // So far, cut.
  std::size_t line_bytes_ = 0;  // All of it.
  bool cr_ = false;             // The last byte was one.
  bool requested_ = false;      // The request's first line has come.
  bool framing_ = false;        // The last field says where the body ends.
  bool has_length_ = false, chunked_ = false;
  std::uint64_t body_left_ = 0;  // Or of the chunk.
  std::uint64_t headers_ = 0;
  bool ends_with_header_ = false;
};

}  // namespace carillon::actors
