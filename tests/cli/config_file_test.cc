// The settings file of `serve`, and the example of all settings in docs/carillon.toml.
#include "cli/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "cli/serve_command.h"
#include "tests/support/temporary_directory.h"

namespace carillon::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Pair;

const std::filesystem::path kExample =
    std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "docs" / "carillon.toml";

// The parser of `carillon serve`, with what it makes of a command line.
struct Serve {
  CLI::App app{"", "carillon"};
  Action action;
  CLI::App* command = nullptr;

  Serve() {
    add_serve_command(app, action, {});
    command = app.get_subcommand("serve");
  }
  // What is wrong; empty when nothing is.
  std::string parse(std::vector<std::string> words) {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    reversed.emplace_back("serve");
    try {
      app.parse(reversed);
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    return "";
  }
  template <class T>
  T value(const std::string& option) {
    return command->get_option("--" + option)->as<T>();
  }
};

class ConfigFile : public ::testing::Test {
 protected:
  std::string write(const std::string& content) {
    const auto file = directory_.path() / "carillon.toml";
    std::ofstream(file) << content;
    return file;
  }

 private:
  carillon::testing::TemporaryDirectory directory_;
};

TEST_F(ConfigFile, GivesWhatTheCommandLineLeavesOut) {
  // Given a file of settings.
  const auto file = write(R"(
# A comment.
data = "/var/lib/some where"
cluster = true
etcd = "http://10.0.0.1:2379,http://10.0.0.2:2379"
retries = 7   # Another one.
request-within = 250
)");
  // When it is named with one of them on the command line.
  Serve serve;
  ASSERT_EQ(serve.parse({"--retries", "5", "--config", file}), "");
  // Then that one counts, the others are those of the file,
  EXPECT_EQ(serve.value<int>("retries"), 5);
  EXPECT_EQ(serve.value<std::string>("data"), "/var/lib/some where");
  EXPECT_EQ(serve.value<std::string>("etcd"), "http://10.0.0.1:2379,http://10.0.0.2:2379");
  EXPECT_EQ(serve.value<int>("request-within"), 250);
  EXPECT_TRUE(serve.value<bool>("cluster"));
  // and there is something to do.
  EXPECT_TRUE(serve.action);
}

TEST_F(ConfigFile, RefusesWhatIsNoSettingAndSaysWhich) {
  const struct {
    const char* content;
    const char* said;
  } kCases[] = {
      {"data = \"d\"\nretrys = 7\n", "no setting is called 'retrys'"},
      {"data = \"d\"\nconfig = \"other\"\n", "no setting is called 'config'"},
      {"data = \"d\"\n[limits]\nretries = 7\n", "there are no sections"},
      {"retries = 7\ndata = \"d\"\nretries = 8\n", "'retries' stands there twice"},
      {"data = \"d\"\nretries = \"many\"\n", "--retries"},
      {"data = \"d\"\npartitions = 5000\n", "--partitions"},
      {"data = \"d\"\nfirst-call-within = 0\n", "--first-call-within"},
      {"data = \"d\"\nconnections-max = 0\n", "--connections-max"},
      {"data = \"d\"\nretain = \"player=5 gild=5\"\n", "no kind is called 'gild'"},
      {"data = \"d\"\nretain = \"player=many\"\n", "KIND=EVENTS"},
      {"data = \"d\"\netcd = \"http://10.0.0.1:2379\"\n", "--cluster"},
      {"retries = 7\n", "--data"},
  };
  for (const auto& [content, said] : kCases) EXPECT_THAT(Serve().parse({"--config", write(content)}), HasSubstr(said));
}

TEST_F(ConfigFile, P7WhoOnlyListensIsNotCutOffBeforeItIsAsked) {
  Serve serve;
  ASSERT_EQ(
      serve.parse({"--config", write("data = \"d\"\nwebsocket-ping-every = 9000\nwebsocket-idle-timeout = 9000\n")}),
      "");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(serve.action(), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("must be longer than --websocket-ping-every"));
}

// The settings in a file: those that count, and those that are commented out (`#name = value`).
std::map<std::string, std::string> settings(const std::filesystem::path& file, bool commented_out) {
  std::map<std::string, std::string> all;
  const std::regex setting(commented_out ? R"(#([a-z-]+) = (.*))" : R"(([a-z-]+) = (.*))");
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::smatch parts;
    if (!std::regex_match(line, parts, setting)) continue;
    auto value = parts[2].str();
    if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
    EXPECT_TRUE(all.emplace(parts[1].str(), value).second) << parts[1].str() << " stands there twice";
  }
  return all;
}

TEST_F(ConfigFile, TheExampleHasEverySettingWithItsDefault) {
  // Given the example, and what serve can be told.
  const auto given = settings(kExample, false), left_out = settings(kExample, true);
  Serve serve;
  std::set<std::string> names;
  for (const auto* option : serve.command->get_options())
    if (option->get_configurable()) names.insert(option->get_lnames().front());
  ASSERT_GT(names.size(), 20u);
  // Then every setting stands in it: with its default, or commented out when it has none.
  for (const auto& name : names) {
    const auto* option = serve.command->get_option("--" + name);
    if (name == "data")  // Must be given.
      EXPECT_THAT(given, Contains(Key(name)));
    else if (name == "cluster")
      EXPECT_THAT(given, Contains(Pair(name, "false")));
    else if (option->get_default_str().empty() || option->get_default_str() == "\"\"")
      EXPECT_THAT(left_out, Contains(Key(name)));
    else
      EXPECT_THAT(given, Contains(Pair(name, option->get_default_str())));
  }
  // And nothing else does.
  for (const auto& lines : {given, left_out})
    for (const auto& [name, value] : lines) EXPECT_THAT(names, Contains(name));
}

TEST_F(ConfigFile, TheExampleIsUnderstoodAsItIsAndWithAllSettings) {
  EXPECT_EQ(Serve().parse({"--config", kExample}), "");
  std::string everything;
  for (const bool commented_out : {false, true})
    for (const auto& [name, value] : settings(kExample, commented_out)) everything += name + " = \"" + value + "\"\n";
  EXPECT_EQ(Serve().parse({"--config", write(everything)}), "");
}

}  // namespace
}  // namespace carillon::cli
