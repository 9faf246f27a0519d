// The client in C++, as a program of its own, against a real node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "tests/support/eventually.h"
#include "tests/support/running_node.h"
#include "tests/support/temporary_directory.h"

namespace carillon::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::StartsWith;

// Runs beside the node's program, where CMake puts both.
class CppClient : public ::testing::Test {
 protected:
  void SetUp() override { signal(SIGPIPE, SIG_IGN); }  // It may end before it has read what it is given.
  void TearDown() override {
    end();
    node.stop();
  }

  // Until `show` events are shown, or a minute has passed.
  void start(const std::string& entity, int show) {
    const auto program = std::filesystem::path(carillon_program()).replace_filename("cpp_client").string();
    input_ = popen(("exec timeout 60 '" + program + "' " + node.rpc().text() + " " + entity + " cpp-example " +
                    std::to_string(show) + " >'" + file("out") + "' 2>'" + file("errors") + "'")
                       .c_str(),
                   "w");
    ASSERT_NE(input_, nullptr);
  }
  void write(const std::string& lines) {
    std::fputs(lines.c_str(), input_);
    std::fflush(input_);
  }
  // Its exit code, when it has ended.
  int end() {
    if (input_ == nullptr) return -1;
    const int status = pclose(std::exchange(input_, nullptr));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string shown() { return content_of("out"); }
  std::string errors() { return content_of("errors"); }

  RunningNode node;

 private:
  std::string file(const char* name) const { return directory_.path() / name; }
  std::string content_of(const char* name) const {
    std::ifstream content(file(name));
    return {std::istreambuf_iterator<char>(content), {}};
  }

  TemporaryDirectory directory_;
  std::FILE* input_ = nullptr;
};

std::string lines(int from, int to) {
  std::string text;
  for (int n = from; n <= to; ++n) text += "{\"n\":" + std::to_string(n) + "}\n";
  return text;
}

std::string all_shown(int count) {
  std::string text;
  for (int n = 1; n <= count; ++n) text += std::to_string(n) + " line {\"n\":" + std::to_string(n) + "}\n";
  return text;
}

TEST_F(CppClient, P1P2P3P4LosesDoublesAndReordersNothingWhenTheNodeIsKilled) {
  start("player/ana", 3'000);
  write(lines(1, 2'000));
  ASSERT_TRUE(eventually(30s, [&] { return std::ranges::count(shown(), '\n') > 100; })) << errors();
  node.kill();
  write(lines(2'001, 3'000));
  node.start();
  EXPECT_EQ(end(), 0) << errors();
  EXPECT_EQ(shown(), all_shown(3'000));
}

TEST_F(CppClient, P2TheSameLinesAgainChangeNothing) {
  for (int run = 0; run < 2; ++run) {
    start("player/ana", 10);
    write(lines(1, 10));
    EXPECT_EQ(end(), 0) << errors();
    EXPECT_EQ(shown(), all_shown(10));
  }
  EXPECT_EQ(node.payloads("player/ana").size(), 10u);
}

TEST_F(CppClient, TellsWhichLineIsRefusedAndGoesOn) {
  start("player/ana", 1);
  write("no JSON\n{\"n\":1}\n");
  EXPECT_EQ(end(), 0);
  EXPECT_THAT(errors(), StartsWith("line 1: "));
  EXPECT_EQ(shown(), all_shown(1));
}

TEST_F(CppClient, EndsWhereThereIsNothingToFollow) {
  start("dragon/1", 1);
  EXPECT_EQ(end(), 2);
  EXPECT_THAT(errors(), StartsWith("dragon/1: "));
}

}  // namespace
}  // namespace carillon::testing
