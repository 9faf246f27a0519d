#include "cli/demo_command.h"

#include <kj/async-unix.h>
#include <kj/compat/http.h>
#include <kj/debug.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "actors/gateway.h"
#include "bench/server_process.h"
#include "cli/demo_page.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "runtime/json.h"

namespace carillon::cli {
namespace {

using std::chrono::milliseconds;

constexpr auto kLookEvery = 50 * kj::MILLISECONDS;  // Whether the node is still there.

struct Options {
  std::string data;
  std::string listen = "127.0.0.1:7490";
  std::string ready_file;
  std::uint32_t dead_for_ms = 1'500;
};

// The node and its supervision. Everything happens on one thread, as the process wants it (bench::ServerProcess); while the
// node starts, a fraction of a second, the page waits.
class Supervised {
 public:
  Supervised(bench::ServerProcess::Options options, milliseconds dead_for)
      : process_(std::move(options)), dead_for_(dead_for) {}

  void allow_origins(const std::vector<std::string>& origins) {
    std::vector<std::string> arguments;
    for (const auto& origin : origins) {
      arguments.emplace_back("--allow-origin");
      arguments.push_back(origin);
    }
    process_.set_arguments(std::move(arguments));
  }

  Result<void> start() {
    const auto started = process_.start();
    if (!started) return started.error();
    restart_ms_ = std::chrono::duration_cast<milliseconds>(*started).count();
    return {};
  }
  Result<void> stop() {
    if (!process_.is_running()) return {};
    const auto stopped = process_.stop();
    return stopped ? Result<void>() : stopped.error();
  }
  void kill() {
    if (!process_.is_running()) return;
    say("killed process " + std::to_string(process_.process()));
    process_.kill();
    ++kills_;
  }

  DemoPage::Node node() {
    return {process_.http_address().text(), process_.is_running() ? process_.process() : 0, kills_, restart_ms_};
  }
  std::string rpc() const { return process_.address().text(); }

  // Starts it again whenever it has ended, after a while: so that people see what it is like without it. Fails when it does
  // not come up.
  kj::Promise<void> watch(kj::Timer& timer) {
    return timer.afterDelay(kLookEvery).then([this, &timer]() -> kj::Promise<void> {
      if (process_.is_running()) return watch(timer);
      return timer.afterDelay(dead_for_.count() * kj::MILLISECONDS).then([this, &timer]() -> kj::Promise<void> {
        if (const auto started = start(); !started) return KJ_EXCEPTION(FAILED, started.error().message);
        say("started process " + std::to_string(process_.process()) + " on the same data within " +
            std::to_string(restart_ms_) + " ms");
        return watch(timer);
      });
    });
  }

 private:
  bench::ServerProcess process_;
  milliseconds dead_for_;
  std::uint64_t kills_ = 0;
  std::int64_t restart_ms_ = 0;
};

bool write_ready_file(const Options& options, const std::string& hunt, Supervised& node) {
  JsonWriter json;
  json.begin_object().field("hunt", std::string_view(hunt)).field("http", std::string_view(node.node().http));
  json.field("rpc", std::string_view(node.rpc())).end_object();
  const std::string draft = options.ready_file + ".new";
  std::ofstream(draft) << json.text() << '\n';
  std::error_code failed;
  std::filesystem::rename(draft, options.ready_file, failed);
  return !failed;
}

int run(const Options& options) {
  if (!actors::is_loopback(options.listen)) {
    complain("--listen: a page with a button that kills a node is for loopback only");
    return kUsage;
  }
  std::error_code failed;
  std::filesystem::create_directories(options.data, failed);
  if (failed) {
    complain("cannot make " + options.data + ": " + failed.message());
    return kFailed;
  }
  kj::UnixEventPort::captureSignal(SIGINT);
  kj::UnixEventPort::captureSignal(SIGTERM);
  auto io = kj::setupAsyncIo();
  auto& timer = io.provider->getTimer();
  Supervised node({.parent_directory = options.data,
                   .data_directory = options.data + "/store",
                   .arguments = {},
                   .program = "/proc/self/exe",
                   .keep_http_port = true},
                  milliseconds(options.dead_for_ms));
  kj::HttpHeaderTable table;
  DemoPage page(
      table, [&node] { return node.node(); }, [&node] { node.kill(); });
  kj::HttpServer server(timer, table, page);

  // The page's address is known before the node is started: the node must know whose page may connect.
  auto receiver = io.provider->getNetwork().parseAddress(options.listen.c_str()).wait(io.waitScope)->listen();
  const auto port = std::to_string(receiver->getPort());
  const auto hunt = options.listen.substr(0, options.listen.rfind(':')) + ":" + port;
  node.allow_origins({"http://127.0.0.1:" + port, "http://localhost:" + port});
  if (const auto started = node.start(); !started) {
    complain(started.error().message);
    return kFailed;
  }
  (void)print_line("the hunt     http://" + hunt + "/");
  (void)print_line("the console  http://" + node.node().http + "/console");
  (void)print_line("RPC on " + node.rpc() + "; Ctrl-C stops it, and " + options.data + " stays");
  if (!options.ready_file.empty() && !write_ready_file(options, hunt, node)) {
    complain("cannot write " + options.ready_file);
    return kFailed;
  }

  auto serving = server.listenHttp(*receiver).exclusiveJoin(node.watch(timer));
  auto stopped = io.unixEventPort.onSignal(SIGINT).exclusiveJoin(io.unixEventPort.onSignal(SIGTERM)).ignoreResult();
  kj::String why;
  serving.exclusiveJoin(kj::mv(stopped))
      .catch_([&why](kj::Exception&& failure) { why = kj::str(failure.getDescription()); })
      .wait(io.waitScope);
  if (why.size() > 0) {
    complain(why.cStr());
    return kFailed;
  }
  if (const auto ended = node.stop(); !ended) {
    complain(ended.error().message);
    return kFailed;
  }
  return kOk;
}

}  // namespace

void add_demo_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("demo", "a node, a game on it, and a button that kills the node");
  command.add_option("--data", options->data, "the data directory; made if it is not there")
      ->required()
      ->type_name("DIR");
  command.add_option("--listen", options->listen, "where the game's page is; port 0 picks a free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  command.add_option("--ready-file", options->ready_file, "written when all is ready: the addresses, as JSON")
      ->type_name("FILE");
  command
      .add_option("--dead-for", options->dead_for_ms, "how long a killed node stays dead before it is started again")
      ->type_name("MS")
      ->capture_default_str();
  add_examples(command,
               "  carillon demo --data ./hunt-data\n"
               "  curl -X POST http://127.0.0.1:7490/kill      as the button does\n");
  run_with(command, action, std::move(options), &run);
}

}  // namespace carillon::cli
