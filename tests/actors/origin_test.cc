// Which pages may talk to a node (P9): cross-site WebSocket hijacking, cross-origin reads, DNS rebinding.
#include "actors/origin.h"

#include <gmock/gmock.h>

namespace carillon::actors {
namespace {

TEST(Origin, IsReadAsBrowsersSendIt) {
  EXPECT_EQ(*parse_origin("https://play.example.com"), "https://play.example.com");
  EXPECT_EQ(*parse_origin("HTTPS://Play.Example.com:443"), "https://play.example.com");
  EXPECT_EQ(*parse_origin("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
  EXPECT_EQ(*parse_origin("http://[::1]:80"), "http://[::1]");
  EXPECT_EQ(*parse_origin("capacitor://localhost"), "capacitor://localhost");
}

TEST(Origin, IsNothingElse) {
  for (const auto* text :
       {"", "null", "*", "play.example.com", "://x", "https://", "https://a/", "https://a/b", "https://a b",
        "https://a:port", "https://a:", "https://a:123456", "https://user@a", "https://[::1", "https://[x]", "1s://a",
        "https://a,https://b", "https://a https://b", "https://\xc3\xa4"})
    EXPECT_FALSE(parse_origin(text).ok()) << text;
}

class P9Visitors : public ::testing::Test {
 protected:
  OriginRules rules{.allowed = {"https://play.example.com"}, .on_loopback = true};

  bool is_forbidden(std::string_view origin, std::string_view host) {
    const auto judged = judge_visitor(rules, origin, host);
    return !judged && judged.error().code == ErrorCode::FORBIDDEN;
  }
};

TEST_F(P9Visitors, AreProgramsWithoutAnOrigin) {
  EXPECT_EQ(*judge_visitor(rules, "", "127.0.0.1:7480"), Visitor::kProgram);
  EXPECT_EQ(*judge_visitor(rules, "", ""), Visitor::kProgram);
}

TEST_F(P9Visitors, OwnPagesAreKnownByTheHost) {
  EXPECT_EQ(*judge_visitor(rules, "http://127.0.0.1:7480", "127.0.0.1:7480"), Visitor::kOwnPage);
  EXPECT_EQ(*judge_visitor(rules, "http://localhost", "LOCALHOST:80"), Visitor::kOwnPage);
  EXPECT_EQ(*judge_visitor(rules, "https://[::1]", "[::1]"), Visitor::kOwnPage);
  EXPECT_TRUE(is_forbidden("http://127.0.0.1:8080", "127.0.0.1:7480"));
  EXPECT_TRUE(is_forbidden("http://localhost:7480", "127.0.0.1:7480"));
  EXPECT_TRUE(is_forbidden("app://127.0.0.1:7480", "127.0.0.1:7480"));
}

TEST_F(P9Visitors, FromElsewhereAreForbiddenUnlessAllowed) {
  EXPECT_EQ(*judge_visitor(rules, "https://play.example.com", "127.0.0.1:7480"), Visitor::kAllowed);
  for (const auto* origin :
       {"https://evil.example.com", "http://play.example.com", "https://play.example.com:8443",
        "https://play.example.com.evil.com", "null", "*", "https://play.example.com, https://evil.com"})
    EXPECT_TRUE(is_forbidden(origin, "127.0.0.1:7480")) << origin;
}

TEST_F(P9Visitors, CannotGiveALoopbackListenerAnotherName) {
  for (const auto* host :
       {"evil.example.com:7480", "evil.example.com", "127.evil.com", "localhost.evil.com", "10.0.0.1", "a b"}) {
    EXPECT_TRUE(is_forbidden("", host)) << host;
    EXPECT_TRUE(is_forbidden("http://" + std::string(host), host)) << host;
  }
  EXPECT_TRUE(judge_visitor(rules, "", "app.localhost:7480").ok());
  // A proxy in front may pass on the name that it was asked by.
  EXPECT_EQ(*judge_visitor(rules, "https://play.example.com", "play.example.com"), Visitor::kAllowed);
  EXPECT_EQ(*judge_visitor(rules, "", "play.example.com:8080"), Visitor::kProgram);
  // Beyond loopback a node has whatever names its operator gives it.
  rules.on_loopback = false;
  EXPECT_EQ(*judge_visitor(rules, "https://carillon.example.com", "carillon.example.com"), Visitor::kOwnPage);
  EXPECT_EQ(*judge_visitor(rules, "", "carillon.example.com"), Visitor::kProgram);
}

}  // namespace
}  // namespace carillon::actors
