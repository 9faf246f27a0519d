// What a gateway serves to everybody: only what is in its table, whatever the path says.
#include "actors/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace carillon::actors {
namespace {

using Path = std::vector<std::string>;
constexpr auto kGet = kj::HttpMethod::GET;

TEST(GatewayPages, ConsoleAndApiAreThere) {
  const auto* front = gateway_page(kGet, Path{"console"});
  ASSERT_NE(front, nullptr);
  EXPECT_EQ(front->content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(front->bytes.starts_with("<!doctype html>"));
  EXPECT_TRUE(front->bytes.ends_with("</html>\n"));
  EXPECT_EQ(gateway_page(kGet, Path{"console", ""}), front);
  EXPECT_EQ(gateway_page(kj::HttpMethod::HEAD, Path{"console", "index.html"}), front);
  const auto* script = gateway_page(kGet, Path{"console", "console.js"});
  ASSERT_NE(script, nullptr);
  EXPECT_EQ(script->content_type, "text/javascript; charset=utf-8");
  EXPECT_NE(script->etag, front->etag);
  const auto* api = gateway_page(kGet, Path{"openapi.json"});
  ASSERT_NE(api, nullptr);
  EXPECT_EQ(api->content_type, "application/json");
}

TEST(GatewayPages, P9NoPathLeadsAnywhereElse) {
  for (const auto& path :
       {Path{}, Path{""}, Path{"index.html"}, Path{"console", ".."}, Path{"console", "../openapi.json"},
        Path{"console", "console.js", ""}, Path{"console", "nothing.js"}, Path{"Console"}})
    EXPECT_EQ(gateway_page(kGet, path), nullptr) << testing::PrintToString(path);
  EXPECT_EQ(gateway_page(kj::HttpMethod::POST, Path{"console"}), nullptr);
}

TEST(GatewayPages, KnowsTheETagsOfAHeader) {
  EXPECT_TRUE(names_etag(R"("a")", R"("a")"));
  EXPECT_TRUE(names_etag(R"("b" , W/"a")", R"("a")"));
  EXPECT_TRUE(names_etag("*", R"("a")"));
  EXPECT_FALSE(names_etag(R"("b",,"ab")", R"("a")"));
  EXPECT_FALSE(names_etag("", R"("a")"));
}

}  // namespace
}  // namespace carillon::actors
