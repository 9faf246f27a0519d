#include "tests/support/running_node.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/eventually.h"

namespace carillon::testing {
namespace {

constexpr std::string_view kLedger = "player/ledger";
constexpr std::uint64_t kBatchEvents = 500;
constexpr std::chrono::seconds kPatience{10};

std::string entry(std::uint64_t number) { return "{\"entry\":" + std::to_string(number) + "}"; }

}  // namespace

RunningNode::RunningNode(Options options)
    : process_({.data_directory = std::move(options.data_directory),
                .arguments = std::move(options.arguments),
                .program = carillon_program(),
                .stop_within = std::chrono::seconds(10)}) {
  start();
}

void RunningNode::start() {
  const auto started = process_.start();
  ASSERT_TRUE(started.ok()) << started.error().message;
  connect();
}

void RunningNode::stop() {
  const auto stopped = process_.stop();
  ASSERT_TRUE(stopped.ok()) << stopped.error().message;
}

void RunningNode::connect() {
  const auto connected = session_.connect(rpc());
  ASSERT_TRUE(connected.ok()) << connected.error().message;
}

void RunningNode::publish_to_ledger(int events) {
  for (const auto until = noted_ + static_cast<std::uint64_t>(events); noted_ < until;) {
    const auto end = std::min(until, noted_ + kBatchEvents);
    std::vector<std::string> payloads;
    payloads.reserve(end - noted_);
    for (auto number = noted_ + 1; number <= end; ++number) payloads.push_back(entry(number));
    std::vector<client::Publication> batch;
    for (const auto& payload : payloads) batch.push_back({kLedger, "entry", payload, noted_ + batch.size() + 1});
    const auto answer = session_.publish("ledger", batch);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    ASSERT_EQ(answer->getRefusals().size(), 0u) << client::error_of(answer->getRefusals()[0]).message;
    ASSERT_EQ(answer->getDuplicates(), 0u);
    noted_ = end;
  }
}

void RunningNode::expect_ledger_kept() {
  std::uint64_t number = 0;
  while (number < noted_) {
    const auto page = session_.read(kLedger, number + 1, 1'000);
    ASSERT_TRUE(page.ok()) << page.error().message;
    ASSERT_EQ(page->getLastOffset(), noted_);
    ASSERT_GT(page->getEvents().size(), 0u);
    for (const auto event : page->getEvents()) ASSERT_EQ(std::string(event.getPayload().cStr()), entry(++number));
  }
}

void RunningNode::expect_sound() {
  if (!session_.connected()) connect();
  publish_to_ledger(1);
  expect_ledger_kept();
}

Result<void> RunningNode::publish(std::string_view entity, std::string_view payload, std::string_view type) {
  const client::Publication event{entity, type, payload, 1};
  return publish({&event, 1});
}

Result<void> RunningNode::publish(std::span<const client::Publication> events) {
  const auto answer = session_.publish("somebody " + std::to_string(++producers_), events);
  if (!answer.ok()) return answer.error();
  if (answer->getRefusals().size() > 0) return client::error_of(answer->getRefusals()[0]);
  return {};
}

std::vector<std::string> RunningNode::payloads(std::string_view entity, Offset from) {
  std::vector<std::string> payloads;
  for (;;) {
    const auto page = session_.read(entity, from + payloads.size(), 1'000);
    if (!page.ok()) {
      ADD_FAILURE() << entity << ": " << page.error().message;
      return payloads;
    }
    for (const auto event : page->getEvents()) payloads.emplace_back(event.getPayload().cStr());
    if (page->getEvents().size() == 0) return payloads;
  }
}

double RunningNode::figure(std::string_view name) {
  auto answer = session_.stats();
  // Where requests are limited, this one waits for its turn.
  (void)eventually(kPatience, [&] {
    if (answer.ok() || answer.error().code != ErrorCode::OVERLOADED) return true;
    answer = session_.stats();
    return false;
  });
  if (answer.ok())
    for (const auto counter : answer->getStats().getCounters())
      if (name == counter.getName().cStr()) return counter.getValue();
  ADD_FAILURE() << "there is no figure " << name;
  return -1;
}

std::uint64_t RunningNode::anonymous_bytes() const {
  std::ifstream status("/proc/" + std::to_string(process_.process()) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
  return 0;
}

std::size_t RunningNode::open_files() const {
  const std::filesystem::directory_iterator files("/proc/" + std::to_string(process_.process()) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

std::string carillon_program() {
  const char* path = std::getenv("CARILLON_PROGRAM");
  return path != nullptr ? path : "carillon";
}

namespace {

Ran run(std::string line, const std::vector<std::string>& arguments) {
  line += "'" + carillon_program() + "'";
  for (const auto& argument : arguments) line += " '" + argument + "'";
  Ran ran;
  FILE* output = popen((line + " 2>&1").c_str(), "r");
  if (output == nullptr) return ran;
  std::array<char, 4096> chunk{};
  while (const auto got = fread(chunk.data(), 1, chunk.size(), output)) ran.output.append(chunk.data(), got);
  const int status = pclose(output);
  if (WIFEXITED(status)) ran.exit_code = WEXITSTATUS(status);
  return ran;
}

}  // namespace

Ran run_carillon(const std::vector<std::string>& arguments) { return run("", arguments); }

Ran run_carillon_at_most(std::chrono::seconds longest, const std::vector<std::string>& arguments) {
  return run("timeout -s KILL " + std::to_string(longest.count()) + " ", arguments);
}

}  // namespace carillon::testing
