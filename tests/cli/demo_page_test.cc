// Who may press the button that kills a node.
#include "cli/demo_page.h"

#include <gtest/gtest.h>

namespace carillon::cli {
namespace {

TEST(DemoPage, P9IsUsedOnALoopbackNameAndByItsOwnPageOnly) {
  EXPECT_TRUE(DemoPage::is_own("127.0.0.1:7490", ""));
  EXPECT_TRUE(DemoPage::is_own("localhost:7490", "http://localhost:7490"));
  EXPECT_TRUE(DemoPage::is_own("[::1]:7490", "http://[::1]:7490"));
  // A page of elsewhere, another port of the same machine, and a name of theirs that resolves to this machine.
  EXPECT_FALSE(DemoPage::is_own("127.0.0.1:7490", "http://elsewhere.example"));
  EXPECT_FALSE(DemoPage::is_own("127.0.0.1:7490", "http://127.0.0.1:8000"));
  EXPECT_FALSE(DemoPage::is_own("127.0.0.1:7490", "null"));
  EXPECT_FALSE(DemoPage::is_own("rebound.example:7490", "http://rebound.example:7490"));
  EXPECT_FALSE(DemoPage::is_own("", ""));
}

TEST(DemoPage, CarriesTheGameAndTheClient) {
  const actors::WebPages pages(hunt_files());
  for (const auto* name : {"", "hunt.js", "hunt.css", "carillon/index.js", "carillon/lib/client.js"})
    EXPECT_NE(pages.find(name), nullptr) << name;
  EXPECT_EQ(pages.find("carillon/../hunt.js"), nullptr);
}

}  // namespace
}  // namespace carillon::cli
