#include "cli/cluster_command.h"

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "cli/cluster_report.h"
#include "cli/node_call.h"
#include "cli/recover_command.h"
#include "cli/terminal.h"
#include "clients/cpp/session.h"

namespace carillon::cli {
namespace {

using Clock = std::chrono::steady_clock;
using ClusterAnswer = client::Answer<wire::Gateway::ClusterResults>;

constexpr std::chrono::seconds kOthersWithin{3};
constexpr std::chrono::milliseconds kDrainLookEvery{200};

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void pause(client::Session& session, std::chrono::milliseconds time) {
  session.wait(session.timer().afterDelay(time.count() * kj::MILLISECONDS));
}

// One question after the other, to whichever node answers: first the one that was named, then those it told of.
class Asking {
 public:
  explicit Asking(NodeOptions node) : node_(std::move(node)), addresses_{node_.address} {}

  // kOk, or what the program ends with after having said why.
  ExitCode connect() {
    const ExitCode code = cli::connect(session_, node_);
    current_ = addresses_.front();
    return code;
  }

  // Once connected. An error is a refusal when connected() still holds, else no known node answers.
  ClusterAnswer cluster() {
    for (std::size_t tried = 0;; ++tried) {
      if (session_.connected()) {
        auto answer = session_.cluster();
        if (answer) remember(answer->getCluster());
        if (answer || session_.connected()) return answer;
      }
      if (tried > addresses_.size()) return Error{ErrorCode::UNAVAILABLE, "no node of the cluster answers", 0};
      connect_to_next();
    }
  }

  client::Session& session() { return session_; }

 private:
  void remember(wire::Cluster::Reader cluster) {
    for (const auto node : cluster.getNodes()) {
      std::string address(view(node.getRpc()));
      if (std::ranges::find(addresses_, address) == addresses_.end()) addresses_.push_back(std::move(address));
    }
  }

  void connect_to_next() {
    const auto at = std::ranges::find(addresses_, current_);
    current_ = at == addresses_.end() || at + 1 == addresses_.end() ? addresses_.front() : *(at + 1);
    if (const auto parsed = client::Address::parse(current_); parsed && session_.connect(*parsed, node_.credentials))
      say("asking the node at " + current_ + " from here on");
  }

  NodeOptions node_;
  client::Session session_;
  std::vector<std::string> addresses_;
  std::string current_;
};

// --- status

struct StatusOptions {
  NodeOptions node;
  bool all = false, json = false;
};

// What one other node says of itself. At its address another one may answer: on each machine's loopback there is one.
kj::Promise<ClusterAnswer> ask(client::Session& session, const client::Credentials& credentials, std::string name,
                               const std::string& address) {
  auto parsed = client::Address::parse(address);
  if (!parsed) return ClusterAnswer(parsed.error());
  auto asked =
      client::Connection::connect(session.network(), session.timer(), *parsed, client::Connection::kConnectWithin,
                                  credentials)
          .then([](Result<kj::Own<client::Connection>> connected) -> kj::Promise<ClusterAnswer> {
            if (!connected) return ClusterAnswer(connected.error());
            auto answer = (*connected)->cluster();
            return answer.attach(kj::mv(*connected));
          })
          .then([name = std::move(name), address](ClusterAnswer answer) -> ClusterAnswer {
            if (!answer || view(answer->getCluster().getNode()) == name) return answer;
            return Error{ErrorCode::UNAVAILABLE,
                         "from here " + address + " is node " + std::string(view(answer->getCluster().getNode())), 0};
          });
  auto late = session.timer().afterDelay(kOthersWithin.count() * kj::SECONDS).then([address]() {
    return ClusterAnswer(Error{ErrorCode::UNAVAILABLE, "no answer from " + address + " in time", 0});
  });
  return asked.exclusiveJoin(kj::mv(late));
}

int status(const StatusOptions& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  auto answer = session.cluster();
  if (!answer) return complain_of(session, answer.error());
  const auto asked = answer->getCluster();
  std::vector<std::string> others;
  auto asking = kj::Vector<kj::Promise<ClusterAnswer>>();
  for (const auto node : asked.getNodes()) {
    if (view(node.getName()) == view(asked.getNode())) continue;
    others.emplace_back(view(node.getName()));
    asking.add(ask(session, options.node.credentials, others.back(), std::string(view(node.getRpc()))));
  }
  const auto answers = session.wait(kj::joinPromises(asking.releaseAsArray()));
  actors::ClusterViews views{asked, {}};
  for (std::size_t i = 0; i < others.size(); ++i)
    views.others.emplace(others[i], answers[i] ? Result<wire::Cluster::Reader>(answers[i]->getCluster())
                                               : Result<wire::Cluster::Reader>(answers[i].error()));
  (void)(options.json ? print_line(actors::cluster_json(views))
                      : print(cluster_text(views, options.all, colours_for_stdout())));
  return kOk;
}

// --- watch

struct WatchOptions {
  NodeOptions node;
  std::uint32_t every_ms = 250;
  bool json = false;
};

int watch(const WatchOptions& options) {
  Asking asking(options.node);
  if (const ExitCode code = asking.connect(); code != kOk) return code;
  auto before = asking.cluster();
  if (!before) return complain_of(asking.session(), before.error());
  const auto cluster = before->getCluster();
  say("watching cluster " + std::string(view(cluster.getName())) + ": " + std::to_string(cluster.getNodes().size()) +
      " nodes, " + std::to_string(cluster.getPartitions().size()) + " partitions; Ctrl-C ends");
  while (!stdout_closed()) {
    pause(asking.session(), std::chrono::milliseconds(options.every_ms));
    auto after = asking.cluster();
    if (!after) {
      if (!asking.session().connected()) return complain_of(asking.session(), after.error());
      continue;  // It does not know at the moment.
    }
    for (const auto& change : cluster_changes(before->getCluster(), after->getCluster(), now_ms()))
      if (!print_line(options.json ? change.json : change.text)) return kOk;
    before = kj::mv(after);
  }
  return kOk;
}

// --- drain

struct DrainOptions {
  NodeOptions at;
  std::string node;
  bool undo = false, primaries = false, wait = false, json = false;
  std::uint32_t at_most_s = 600;
};

std::optional<wire::ClusterNode::Reader> find_node(wire::Cluster::Reader cluster, std::string_view name) {
  for (const auto node : cluster.getNodes())
    if (view(node.getName()) == name) return node;
  return std::nullopt;
}

std::string words_of(const actors::Holding& holding) {
  return "the primary of " + std::to_string(holding.primaries) + ", copies of " + std::to_string(holding.copies) +
         " partitions";
}

// Says how far it has come, whenever that changes.
int wait_until_drained(Asking& asking, const DrainOptions& options) {
  const auto until = Clock::now() + std::chrono::seconds(options.at_most_s);
  std::optional<actors::Holding> said;
  for (;;) {
    auto answer = asking.cluster();
    if (answer) {
      const auto cluster = answer->getCluster();
      const auto node = find_node(cluster, options.node);
      const auto holding = actors::holding_of(cluster, options.node);
      if (!node) {
        complain("node " + options.node + " has left the cluster; it was " + words_of(holding));
        return kFailed;
      }
      if (node->getDrain() == wire::Drain::NOTHING) {
        complain("node " + options.node + " is no longer to be drained: somebody took it back, or it joined again");
        return kFailed;
      }
      const bool is_new = std::exchange(said, holding) != holding;
      if (options.json && (is_new || node->getDrained()))
        (void)print_line(drain_json(*node, holding));
      else if (is_new)
        say(options.node + " is " + words_of(holding));
      if (node->getDrained()) {
        if (options.json) return kOk;
        const auto kept = options.primaries || holding.copies == 0 ? std::string()
                                                                   : "; it keeps " + std::to_string(holding.copies) +
                                                                         " copies, for which there is no other node";
        (void)print_line("Node " + options.node + " is drained" + kept + ".");
        return kOk;
      }
    } else if (!asking.session().connected()) {
      return complain_of(asking.session(), answer.error());
    }
    if (Clock::now() >= until) {
      complain("node " + options.node + " is not drained after " + std::to_string(options.at_most_s) +
               " s; it goes on, see carillon cluster status");
      return kFailed;
    }
    pause(asking.session(), kDrainLookEvery);
  }
}

int drain(const DrainOptions& options) {
  Asking asking(options.at);
  if (const ExitCode code = asking.connect(); code != kOk) return code;
  const auto wanted = options.undo        ? wire::Drain::NOTHING
                      : options.primaries ? wire::Drain::PRIMARIES
                                          : wire::Drain::EVERYTHING;
  if (auto answer = asking.session().drain(options.node, wanted); !answer)
    return complain_of(asking.session(), answer.error());
  if (options.json && !options.wait) {
    (void)print_line(drain_json(options.node, wanted));
    return kOk;
  }
  if (options.undo) {
    (void)print_line("Node " + options.node + " takes part again.");
    return kOk;
  }
  if (options.wait) return wait_until_drained(asking, options);
  (void)print_line("Node " + options.node + " gives up " + (options.primaries ? "its primaries" : "what it has") +
                   "; carillon cluster status shows how far it is.");
  return kOk;
}

}  // namespace

void add_cluster_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("cluster", "several nodes: how they stand, what changes, emptying one");
  command.require_subcommand(1);
  add_examples(command,
               "  carillon cluster status\n"
               "  carillon cluster watch --json\n"
               "  carillon cluster drain bee --wait           before it leaves for good\n"
               "  carillon cluster drain bee --undo\n");

  auto status_options = std::make_shared<StatusOptions>();
  CLI::App& status_command = *command.add_subcommand("status", "nodes, and who has which partition, in sync or not");
  status_command.add_flag("--all", status_options->all, "list every partition, however many there are");
  status_command.add_flag("--json", status_options->json, "print one JSON object");
  add_connect_option(status_command, status_options->node);
  add_examples(status_command,
               "  carillon cluster status\n"
               "  carillon cluster status --json | jq '.partitions[] | select(.under_replicated)'\n");
  run_with(status_command, action, std::move(status_options), &status);

  auto watch_options = std::make_shared<WatchOptions>();
  CLI::App& watch_command = *command.add_subcommand("watch", "print what changes, one line each, until Ctrl-C");
  watch_command.add_option("--every", watch_options->every_ms, "how often to look")
      ->type_name("MS")
      ->check(CLI::Range(10, 60'000))
      ->capture_default_str();
  watch_command.add_flag("--json", watch_options->json, "print one JSON object a line");
  add_connect_option(watch_command, watch_options->node);
  add_examples(watch_command,
               "  carillon cluster watch\n  carillon cluster watch --json --every 50 | tee changes.json\n");
  run_with(watch_command, action, std::move(watch_options), &watch);

  auto drain_options = std::make_shared<DrainOptions>();
  CLI::App& drain_command = *command.add_subcommand("drain", "have a node hand over what it has");
  drain_command.add_option("node", drain_options->node, "its name")->required()->type_name("NODE");
  auto* const undo = drain_command.add_flag("--undo", drain_options->undo, "it takes part again");
  drain_command
      .add_flag("--primaries", drain_options->primaries, "only what it is the primary of; it keeps its copies")
      ->excludes(undo);
  drain_command.add_flag("--wait", drain_options->wait, "return when it has given up what it can")->excludes(undo);
  drain_command.add_option("--at-most", drain_options->at_most_s, "how long to wait; beyond that, exit code 1")
      ->type_name("SECONDS")
      ->capture_default_str();
  drain_command.add_flag("--json", drain_options->json,
                         "print one JSON object a line, with --wait whenever it changes");
  add_connect_option(drain_command, drain_options->at);
  add_examples(drain_command,
               "  carillon cluster drain bee --wait && ssh bee systemctl disable --now carillon\n"
               "  carillon cluster drain bee --primaries --wait\n"
               "  carillon cluster drain bee --undo\n");
  run_with(drain_command, action, std::move(drain_options), &drain);

  add_recover_command(command, action);
  add_raise_epochs_command(command, action);
}

}  // namespace carillon::cli
