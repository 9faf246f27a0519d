#include "actors/serve.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <thread>

#include "actors/built_in.h"
#include "actors/cluster_report.h"
#include "actors/gateway.h"
#include "actors/host_port.h"
#include "actors/node.h"
#include "runtime/json.h"

namespace carillon::actors {
namespace {

constexpr std::chrono::milliseconds kDrainPatience{3'500};  // Of the 5 s that a stop may take.

constexpr std::chrono::milliseconds kFailOverRetry{40};
constexpr int kCannotStart = 1,
              kWrongSettings = 2;        // As in cli/exit_code.h. A unit starts the former again, not the latter.
constexpr std::size_t kOtherFiles = 64;  // Logs, listeners, event loops.

// Shares the files that the process may open between store and connections: a log that cannot be opened would make the
// store read-only, so connections must not take its part.
void share_files(runtime::StoreOptions& store, EdgeLimits& edge) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const auto all = static_cast<std::size_t>(files.rlim_cur);
  store.open_files_max =
      static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(store.open_files_max), all / 4));
  const auto left = all - std::min(all, static_cast<std::size_t>(store.open_files_max) + kOtherFiles);
  if (left >= edge.connections_max) return;
  spdlog::warn("at most {} connections: the process may open no more than {} files (see ulimit -n)", left, all);
  edge.connections_max = left;
}

// SIGTERM and SIGINT are waited for by the main thread alone. To be called before any thread is started.
sigset_t hold_back_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

Result<void> write_ready_file(const std::filesystem::path& file, const Gateway& gateway) {
  // Renamed into place, so that a reader never sees half of it.
  auto draft = file;
  draft += ".new";
  JsonWriter json;
  json.begin_object().field("rpc", gateway.rpc_address()).field("http", gateway.http_address()).end_object();
  std::ofstream out(draft);
  out << json.text() << '\n';
  out.close();
  std::error_code failed;
  if (out) std::filesystem::rename(draft, file, failed);
  if (!out || failed) return Error{ErrorCode::UNAVAILABLE, "cannot write the ready file " + file.string(), 0};
  return {};
}

// There only while the node is ready: not that of one that was killed, nor after the end.
class ReadyFile {
 public:
  explicit ReadyFile(std::filesystem::path file) : file_(std::move(file)) { remove(); }
  ~ReadyFile() { remove(); }
  ReadyFile(const ReadyFile&) = delete;
  ReadyFile& operator=(const ReadyFile&) = delete;

 private:
  void remove() const {
    std::error_code ignored;
    if (!file_.empty()) std::filesystem::remove(file_, ignored);
  }

  std::filesystem::path file_;
};

// What a node needs beside its actors, whether it is alone or not.
struct Running {
  caf::actor_system& system;
  Partitions partitions;
  caf::actor journal;
  std::string store_id;
  std::shared_ptr<ReloadNotice> reload_notice;
};

std::size_t processors() { return std::max<std::size_t>(std::thread::hardware_concurrency(), 1); }

std::size_t gateway_threads(const ServeOptions& options) {
  return options.gateway_threads > 0 ? options.gateway_threads : std::min(processors(), kGatewayThreadsMax);
}

Result<std::unique_ptr<Gateway>> start_gateway(const ServeOptions& options, const EdgeLimits& edge_limits,
                                               const Running& node) {
  return Gateway::start(node.system, {options.listen, options.http, gateway_threads(options), options.allowed_origins,
                                      node.partitions, node.journal, options.catalogue, options.limits, edge_limits,
                                      node.store_id, options.access, node.reload_notice});
}

int fail(const Error& error, int exit_code = kCannotStart) {
  spdlog::critical("cannot start: {}", error.message);
  return exit_code;
}

Result<void> check_settings(const ServeOptions& options) {
  if (auto good = check_host_port("--listen", options.listen); !good) return good;
  if (auto good = check_host_port("--http", options.http); !good) return good;
  if (auto checked = check_access(options.access, {options.listen, options.http}); !checked) return checked;
  return options.cluster ? check(*options.cluster) : Result<void>();
}

int serve_alone(const ServeOptions& options, NodeOptions node_options, const EdgeLimits& edge_limits,
                const sigset_t& signals) {
  auto node = Node::start(std::move(node_options));
  if (!node) return fail(node.error());
  auto gateway = start_gateway(options, edge_limits,
                               {(*node)->system(), (*node)->partitions(), (*node)->journal(),
                                (*node)->format().store_id, (*node)->reload_notice()});
  if (!gateway) return fail(gateway.error());
  spdlog::info("ready: rpc {}, http {}, data {}, {} partitions", (*gateway)->rpc_address(), (*gateway)->http_address(),
               options.data.string(), (*node)->format().partitions);
  if (!options.ready_file.empty())
    if (auto written = write_ready_file(options.ready_file, **gateway); !written) return fail(written.error());

  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("stopping: new requests are refused, hubs finish and are saved");
  (*gateway)->stop_accepting();
  const bool drained = (*node)->drain(kDrainPatience);
  if (!drained) spdlog::warn("some hubs have work left; they go on at the next start");
  (*gateway).reset();
  (*node).reset();
  spdlog::info("stopped");
  return 0;
}

// SIGTERM while the node still waits for etcd.
bool stop_is_wanted(const sigset_t& signals) {
  sigset_t pending;
  sigpending(&pending);
  return (sigismember(&signals, SIGTERM) == 1 && sigismember(&pending, SIGTERM) == 1) ||
         (sigismember(&signals, SIGINT) == 1 && sigismember(&pending, SIGINT) == 1);
}

int serve_in_cluster(const ServeOptions& options, NodeOptions node_options, EdgeLimits edge_limits,
                     const sigset_t& signals) {
  // A fail-over takes a fraction of a second: who was refused meanwhile should not wait longer than that.
  edge_limits.unavailable_retry = std::min(edge_limits.unavailable_retry, kFailOverRetry);
  auto node =
      ClusterNode::start(std::move(node_options), *options.cluster, [&signals] { return stop_is_wanted(signals); });
  const auto fail_unless_stopped = [&signals](const Error& error) {
    if (!stop_is_wanted(signals)) return fail(error);
    spdlog::info("stopped before it was ready: {}", error.message);
    return 0;
  };
  if (!node) return fail_unless_stopped(node.error());
  auto gateway = start_gateway(options, edge_limits,
                               {(*node)->system(), (*node)->partitions(), (*node)->journal(),
                                (*node)->format().store_id, (*node)->reload_notice()});
  if (!gateway) return fail(gateway.error());
  if (auto joined = (*node)->join((*gateway)->rpc_address(), (*gateway)->http_address()); !joined)
    return fail_unless_stopped(joined.error());
  (*gateway)->belong_to_cluster(cluster_questions((*node)->coordinator(), (*node)->replicas()));
  spdlog::info("ready: node {} of {}, rpc {}, http {}, peer {}, data {}, {} partitions", options.cluster->node,
               options.cluster->cluster, (*gateway)->rpc_address(), (*gateway)->http_address(), (*node)->peer_address(),
               options.data.string(), (*node)->format().partitions);
  if (!options.ready_file.empty())
    if (auto written = write_ready_file(options.ready_file, **gateway); !written) return fail(written.error());

  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("stopping: what this node is the primary of is handed over");
  (*gateway)->announce_stop();
  const bool drained = (*node)->drain(kDrainPatience);
  if (!drained) spdlog::warn("some partitions have nobody who could follow; they wait for this node");
  (*gateway)->stop_accepting();
  (*gateway).reset();
  (*node).reset();
  spdlog::info("stopped");
  return 0;
}

}  // namespace

int serve(const ServeOptions& given) {
  if (!spdlog::get("carillon")) spdlog::set_default_logger(spdlog::stderr_color_mt("carillon"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  const auto signals = hold_back_stop_signals();
  const ReadyFile ready_file(given.ready_file);
  if (auto checked = check_settings(given); !checked) return fail(checked.error(), kWrongSettings);
  auto catalogue = with_built_in_behaviours(given.catalogue);
  if (!catalogue) return fail(catalogue.error());
  auto options = given;
  options.catalogue = std::move(*catalogue);
  NodeOptions node_options;
  node_options.store.directory = options.data;
  node_options.store.partitions = options.partitions;
  auto edge_limits = options.edge_limits;
  share_files(node_options.store, edge_limits);
  node_options.limits = options.limits;
  node_options.retention = options.retention;
  node_options.catalogue = options.catalogue;
  node_options.threads = options.worker_threads > 0 ? options.worker_threads : processors();
  if (options.cluster) return serve_in_cluster(options, std::move(node_options), edge_limits, signals);
  return serve_alone(options, std::move(node_options), edge_limits, signals);
}

}  // namespace carillon::actors
