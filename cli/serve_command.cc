#include "cli/serve_command.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "actors/built_in.h"
#include "actors/origin.h"
#include "actors/serve.h"
#include "cli/config_file.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cluster/etcd_client.h"

namespace carillon::cli {
namespace {

// Every limit of runtime/limits.h and actors/edge.h that an operator may want to move; the others are for developers.
void add_limits(CLI::App& command, runtime::Limits& limits, actors::EdgeLimits& edge) {
  const auto add = [&](const char* name, auto& value, const char* help) {
    command.add_option(name, value, help)->capture_default_str()->check(CLI::PositiveNumber)->group("Limits");
  };
  const auto add_time = [&](const char* name, std::chrono::milliseconds& value, const char* help) {
    command
        .add_option_function<std::uint32_t>(
            name, [&value](std::uint32_t ms) { value = std::chrono::milliseconds(ms); }, help)
        ->type_name("MS")
        ->default_str(std::to_string(value.count()))
        ->check(CLI::PositiveNumber)
        ->group("Limits");
  };
  const auto add_quota = [&](const std::string& name, std::uint64_t& value, const std::string& help) {
    command.add_option(name, value, help + "; 0: no limit")->capture_default_str()->group("Limits");
  };
  add("--payload-bytes-max", limits.payload_bytes_max, "largest payload that a client may publish");
  add("--batch-events-max", limits.batch_events_max, "most events in one publish call");
  command
      .add_option("--retries", limits.retries,
                  "how often a failing event is tried again before it goes to the dead letters")
      ->capture_default_str()
      ->group("Limits");
  add("--active-hubs-max", limits.active_hubs_max, "hubs in memory per partition; more wait on disk");
  add("--emission-bytes-max", limits.emission_bytes_max,
      "what hubs of the node have computed and others have not stored yet; beyond it hubs wait");
  add("--mailboxes-cached", limits.mailboxes_cached, "mailboxes remembered per partition");
  add("--windows-cached", limits.windows_cached, "producer windows remembered per partition");
  add("--connections-max", edge.connections_max,
      "clients at a time; fewer when the process may not open as many files");
  add("--connection-events-max", edge.connection_events_max, "events published on one connection and not yet answered");
  add("--node-events-max", edge.node_events_max, "the same of all connections together");
  add_time("--handshake-within", edge.handshake_within, "how long the handshake of TLS may take");
  const auto add_quotas = [&](const std::string& who, access::QuotaLimits& quotas, const char* of) {
    add_quota("--" + who + "-connections-max", quotas.connections_max, "connections of one " + who + of);
    add_quota("--" + who + "-events-per-second", quotas.events_per_second,
              "events that one " + who + " publishes; another request counts as one");
    add_quota("--" + who + "-bytes-per-second", quotas.bytes_per_second, "bytes that are taken in of one " + who);
  };
  add_quotas("address", edge.per_address, " (of IPv6 a /64)");
  add_quotas("subject", edge.per_subject, " of tokens that do not say `unlimited`");
  command
      .add_option_function<std::string>(
          "--unlimited-addresses",
          [&edge](const std::string& text) {
            auto ranges = access::IpRanges::parse(text);
            if (!ranges) throw CLI::ValidationError("--unlimited-addresses", ranges.error().message);
            edge.unlimited_addresses = std::move(*ranges);
          },
          "addresses and networks whose limits per address do not hold, with commas in between: proxies, game servers")
      ->type_name("NETWORKS")
      ->default_str(actors::kLoopback)
      ->group("Limits");
  add("--session-credit-bytes", edge.session_credit_bytes, "sent to a subscriber and not yet taken in");
  add_time("--first-call-within", edge.first_call_within,
           "a native connection that asks for nothing, or shows no token, is closed");
  add("--websocket-follows-max", edge.socket_follows_max, "entities that one WebSocket may follow");
  add_time("--websocket-ping-every", edge.socket_ping_every,
           "a WebSocket that says nothing is asked whether it is there");
  add_time("--websocket-idle-timeout", edge.socket_idle_timeout, "and closed, when it still says nothing");
  add_time("--request-within", edge.request_within, "how long the header or body of an HTTP request may take");
  add_time("--message-within", edge.message_within, "how long a message by WebSocket or native RPC may take to come");
  command
      .add_option_function<std::uint32_t>(
          "--presence-grace", [&edge](std::uint32_t ms) { edge.presence_grace = std::chrono::milliseconds(ms); },
          "until a player whose connection is lost is told to have left")
      ->type_name("MS")
      ->default_str(std::to_string(edge.presence_grace.count()))
      ->group("Limits");
}

// The kinds that the node will have.
std::vector<std::string> kinds_of(const Catalogue& installed) {
  const auto all = actors::with_built_in_behaviours(installed);
  return all ? all->kinds() : installed.kinds();
}

void add_retention(CLI::App& command, runtime::RetentionTable& retention, const Catalogue& installed) {
  command
      .add_option_function<std::vector<std::string>>(
          "--retain",
          [&retention, kinds = kinds_of(installed)](const std::vector<std::string>& given) {
            for (const auto& settings : given)
              if (auto taken = retention.take_in(settings, kinds); !taken)
                throw CLI::ValidationError("--retain", taken.error().message);
          },
          "what the mailboxes of a kind keep; once for each kind, or several in one word (in quotes) with spaces in "
          "between; others keep `all`")
      ->allow_extra_args(false)
      ->type_name("KIND=EVENTS[,DAYSd]")
      ->default_str(retention.text())
      ->group("Limits");
}

struct ServeCommand {
  actors::ServeOptions serve;
  actors::ClusterOptions cluster;
  bool in_cluster = false;
  std::string etcd = "http://127.0.0.1:2379";
  std::string secret_file;
};

void add_cluster_options(CLI::App& command, ServeCommand& options) {
  auto& cluster = options.cluster;
  const auto group = "Cluster";
  auto* const in_cluster =
      command.add_flag("--cluster", options.in_cluster, "be one of several nodes that share an etcd")->group(group);
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command.add_option(name, value, help)->capture_default_str()->needs(in_cluster)->group(group);
  };
  add("--etcd", options.etcd, "etcd's endpoints, with commas in between")->type_name("URL");
  add("--cluster-name", cluster.cluster, "the cluster's name in etcd")->type_name("NAME");
  add("--node", cluster.node, "this node's name, unique in the cluster")->type_name("NAME");
  add("--peer", cluster.peer, "where other nodes reach this one; port 0 picks a free one")->type_name("HOST:PORT");
  add("--advertise", cluster.advertise,
      "what other nodes are told instead of --peer, behind NAT or in a container; port 0: that of --peer")
      ->type_name("HOST:PORT");
  add("--secret-file", options.secret_file, "a file with what all nodes know and nobody else; needed beyond loopback")
      ->type_name("FILE");
  add("--replicas", cluster.replicas, "copies of every partition, when this node founds the cluster")
      ->check(CLI::Range(1, 7));
  add("--min-in-sync", cluster.min_in_sync, "of them so many must be in sync to accept anything")
      ->check(CLI::Range(1, 7));
  command
      .add_option_function<std::uint32_t>(
          "--replace-after",
          [&cluster](std::uint32_t seconds) { cluster.replace_after = std::chrono::seconds(seconds); },
          "what a node held that has been away for so long is copied elsewhere")
      ->type_name("SECONDS")
      ->default_str("60")
      ->needs(in_cluster)
      ->group(group);
}

void add_access_options(CLI::App& command, actors::AccessOptions& access) {
  const auto group = "Access (docs/security.md)";
  const auto add_file = [&](const char* name, std::filesystem::path& file, const char* help) {
    command.add_option(name, file, help)->type_name("FILE")->group(group);
  };
  add_file("--keys", access.keys, "keys that sign tokens: JWKS, PEM or secrets; with it everybody must show a token");
  command.add_option("--token-issuer", access.expectations.issuer, "tokens must be of this issuer (iss)")
      ->type_name("TEXT")
      ->group(group);
  command.add_option("--token-audience", access.expectations.audience, "tokens must be for this audience (aud)")
      ->type_name("TEXT")
      ->group(group);
  add_file("--tls-certificate", access.tls_certificate, "certificate chain in PEM: both ports speak TLS");
  add_file("--tls-key", access.tls_key, "its private key in PEM");
  command.add_flag("--plaintext", access.plaintext, "beyond loopback without TLS, where something else encrypts")
      ->group(group);
  command
      .add_flag("--open-metrics", access.open_metrics, "beyond loopback, /metrics and health's sentences for everybody")
      ->group(group);
}

int run(const ServeCommand& command) {
  auto options = command.serve;
  if (options.edge_limits.socket_idle_timeout <= options.edge_limits.socket_ping_every) {
    complain("--websocket-idle-timeout must be longer than --websocket-ping-every, or who only listens is cut off");
    return kUsage;
  }
  if (!command.in_cluster) return actors::serve(options);
  auto cluster = command.cluster;
  auto endpoints = cluster::EtcdClient::parse_endpoints(command.etcd);
  if (!endpoints) {
    complain("--etcd: " + endpoints.error().message);
    return kUsage;
  }
  cluster.etcd = std::move(*endpoints);
  if (cluster.node.empty()) {
    complain("a node of a cluster needs a name: --node NAME");
    return kUsage;
  }
  if (cluster.min_in_sync > cluster.replicas) {
    complain("--min-in-sync is at most --replicas");
    return kUsage;
  }
  if (!command.secret_file.empty()) {
    std::ifstream file(command.secret_file);
    if (!file) {
      complain("--secret-file: cannot read " + command.secret_file + ": is it there, and may this user read it?");
      return kFailed;
    }
    std::getline(file, cluster.secret);
    constexpr std::size_t kSecretBytesMin = 16;
    if (cluster.secret.size() < kSecretBytesMin) {
      complain("--secret-file: the first line of " + command.secret_file + " must have at least 16 bytes");
      return kUsage;
    }
  }
  options.cluster = std::move(cluster);
  return actors::serve(options);
}

}  // namespace

void add_serve_command(CLI::App& app, Action& action, Catalogue catalogue) {
  auto serve_command = std::make_shared<ServeCommand>();
  auto* const options = &serve_command->serve;
  options->catalogue = std::move(catalogue);
  CLI::App& command = *app.add_subcommand("serve", "run a node; SIGTERM drains and stops it");
  add_config_option(command);
  command.add_option("--data", options->data, "the data directory; made if it is not there")
      ->required()
      ->type_name("DIR");
  command.add_option("--listen", options->listen, "where clients connect by RPC; port 0 picks a free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  command.add_option("--http", options->http, "where HTTP clients connect; port 0 picks a free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  command
      .add_option("--allow-origin", options->allowed_origins,
                  "pages from there may connect by HTTP and WebSocket, beside the node's own")
      ->transform(CLI::Validator(
          [](std::string& text) {
            auto origin = actors::parse_origin(text);
            if (!origin) return origin.error().message;
            text = std::move(*origin);
            return std::string();
          },
          ""))
      ->type_name("ORIGIN")
      ->allow_extra_args(false);
  command
      .add_option("--ready-file", options->ready_file,
                  "written when the node is ready: {\"rpc\": HOST:PORT, \"http\": HOST:PORT}")
      ->type_name("FILE");
  command.add_option("--partitions", options->partitions, "slices of a new store; an existing store keeps its own")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option("--worker-threads", options->worker_threads,
                  "threads that partitions and hubs share; 0: one for each processor")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  command
      .add_option("--gateway-threads", options->gateway_threads,
                  "threads that serve connections; 0: one for each processor, at most 8")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  add_access_options(command, options->access);
  add_cluster_options(command, *serve_command);
  add_limits(command, options->limits, options->edge_limits);
  add_retention(command, options->retention, options->catalogue);
  add_examples(command,
               "  carillon serve --data ./data\n"
               "  carillon serve --data /var/lib/carillon --listen 127.0.0.1:0 --http 127.0.0.1:0 --ready-file ready\n"
               "  carillon serve --data ./ant --cluster --etcd http://127.0.0.1:2379 --node ant\n"
               "  carillon serve --config docs/carillon.toml --data ./data      every setting, with its default\n");
  run_with(command, action, std::move(serve_command), &run);
}

}  // namespace carillon::cli
