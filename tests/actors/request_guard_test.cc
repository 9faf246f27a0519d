#include "actors/request_guard.h"

#include <gtest/gtest.h>

namespace carillon::actors {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kPost = "POST /a HTTP/1.1\r\nHost: x\r\n";
// What no header may have; so a guard that has lost its way objects to it, and one that takes it for a body does not.
constexpr std::string_view kMark = "a : b\rc";

std::string post(const std::string& fields, const std::string& body) {
  return std::string(kPost) + fields + "\r\n" + body;
}

// The same whether it comes at once or byte by byte.
bool takes(const std::string& bytes) {
  RequestGuard whole, piecemeal;
  bool took = true;
  for (std::size_t i = 0; i < bytes.size() && took; ++i) took = piecemeal.take({&bytes[i], 1});
  EXPECT_EQ(whole.take(bytes), took) << bytes;
  return took;
}

TEST(RequestGuard, TakesRequestsOneBehindTheOtherWhateverIsInTheirBodies) {
  const std::string mark(kMark);
  const auto chunks = post("Transfer-Encoding: Chunked\r\n", "7\r\n" + mark + "\r\n07\r\n" + mark + "\r\n0\r\n\r\n");
  std::string requests;
  for (int i = 0; i < 3; ++i) {
    requests += kGet;
    requests += post("Content-Length: 7\r\n", mark);
    requests += post("content-length:\t7 \r\nX-Long: " + std::string(5'000, 'x') + "\r\n", mark);
    requests += chunks;
    requests += post("Content-Length: 0\r\nX-Folded: a\r\n b : c\r\n", "");
    requests.append("\r\n").append(kGet);  // An empty line before a request is passed over.
    requests += "GET /a HTTP/1.1\nHost: x\n\n";
  }
  EXPECT_TRUE(takes(requests));
  EXPECT_FALSE(takes(requests + std::string(kPost) + mark)) << "and has not lost its way";
}

TEST(RequestGuard, P9ObjectsToWhatOthersReadDifferently) {
  for (const auto& wrong :
       {post("Content-Length : 2\r\n", "{}"), post("Content-Length\t: 2\r\n", "{}"), post("X : y\r\n", ""),
        post("Content-Length:\r\n", ""), post("Content-Length:   \r\n", ""), post("X: a\rContent-Length: 2\r\n", "{}"),
        post("X: a\r\r\n", ""), std::string("GET /a HTTP/1.1\rHost: x\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "10000000000000002\r\n"),
        post("Transfer-Encoding: chunked\r\n", std::string(70, '0') + "2\r\n"),
        post("Transfer-Encoding: chunked\r\n", "2\r{}\r\n")})
    EXPECT_FALSE(takes(wrong)) << wrong;
}

// The answer is 400, and the connection ends: nothing that follows is a request.
TEST(RequestGuard, LeavesToOthersWhatTheyRefuse) {
  for (const auto* fields :
       {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: +2\r\n", "Content-Length: 2, 2\r\n", "Content-Length: 9999999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n , gzip\r\n"}) {
    const std::string text = fields;
    EXPECT_TRUE(takes(post(text, std::string(kMark)))) << text;
  }
  EXPECT_TRUE(takes(post("Transfer-Encoding: chunked\r\n", "2;a=b\r\n" + std::string(kMark))));
  EXPECT_TRUE(takes(post("Transfer-Encoding: chunked\r\n", "2\r\n{}x\r\n" + std::string(kMark))));
}

TEST(RequestGuard, P9KnowsWhetherAnythingCameBehindAHeader) {
  const std::string get(kGet);
  const auto ends_with_header = [](const std::string& bytes, std::uint64_t headers) {
    RequestGuard guard;
    EXPECT_TRUE(guard.take(bytes)) << bytes;
    EXPECT_EQ(guard.headers(), headers) << bytes;
    return guard.ends_with_header();
  };
  EXPECT_TRUE(ends_with_header(get, 1));
  EXPECT_TRUE(ends_with_header(post("Content-Length: 2\r\n", "{}") + get, 2));
  EXPECT_TRUE(ends_with_header(get + "x\r\n\r\n", 2)) << "as far as anybody can tell";
  for (const auto* behind : {"x", "\r", "\r\n", "\r\n\r\n", "x\r\n"}) EXPECT_FALSE(ends_with_header(get + behind, 1));
  EXPECT_FALSE(ends_with_header(post("Content-Length: 4\r\n", "\r\n\r\n"), 1)) << "this is its body";
}

}  // namespace
}  // namespace carillon::actors
