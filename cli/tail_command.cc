#include "cli/tail_command.h"

#include <optional>

#include "cli/node_call.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "clients/cpp/follower.h"

namespace carillon::cli {
namespace {

constexpr std::uint32_t kPageEvents = 1'000;
constexpr std::chrono::milliseconds kLookEvery{300};

struct Options {
  NodeOptions node;
  std::string entity;
  std::optional<Offset> from;  // Otherwise the first that is kept.
  bool no_follow = false;
  bool json = false;
};

ExitCode refuse(Error error) {
  if (error.code == ErrorCode::TRUNCATED || error.code == ErrorCode::BEYOND_END)
    error.message += "; use --from " + std::to_string(error.first_offset);
  return complain_of_refusal(error);
}

// Prints what is there and ends.
int print_stored(client::Session& session, const Options& options, const Colours& colours) {
  Offset next = options.from.value_or(1);
  std::optional<Offset> end;  // Where the mailbox ended when we began.
  bool may_skip = !options.from;
  for (;;) {
    auto answer = session.read(options.entity, next, kPageEvents);
    if (!answer) {
      const Error& error = answer.error();
      if (error.code == ErrorCode::TRUNCATED && may_skip && error.first_offset > next) {
        next = error.first_offset;
        continue;
      }
      return session.connected() ? refuse(error) : complain_of(session, error);
    }
    may_skip = false;
    if (!end) end = answer->getLastOffset();
    Offset offset = answer->getFirstOffset();
    std::string page;
    for (const auto event : answer->getEvents()) {
      if (offset > *end) break;
      page += event_line(offset++, event, colours) + "\n";
    }
    if (!print(page)) return kOk;
    next = offset;
    if (next > *end || answer->getEvents().size() == 0) return kOk;
  }
}

int follow(client::Session& session, const Options& options, const Colours& colours) {
  std::optional<ExitCode> code;
  Absence absence(options.node);
  auto over = kj::newPromiseAndFulfiller<void>();
  const auto end_with = [&](ExitCode ending) {
    if (!code) code = ending;
    over.fulfiller->fulfill();
  };
  client::Follower::Callbacks callbacks;
  callbacks.event = [&](std::size_t, Offset offset, wire::StoredEvent::Reader event) {
    if (!code && !print_line(event_line(offset, event, colours))) end_with(kOk);
  };
  callbacks.ended = [&](std::size_t, const Error& error) -> std::optional<Offset> {
    // Whoever named no offset wants what there is, also when retention overtakes them.
    if (error.code == ErrorCode::TRUNCATED && !options.from) return error.first_offset;
    end_with(refuse(error));
    return std::nullopt;
  };
  callbacks.disconnected = [&](const Error& error) {
    if (const auto sentence = absence.lost(error)) say(*sentence);
    if (absence.hopeless()) end_with(refuse(*absence.hopeless()));
  };
  callbacks.following = [&] {
    if (absence.is()) say("Following again, from where it was.");
    absence.over();
  };
  const client::Follower follower(
      session.network(), session.timer(),
      {.addresses = client::Addresses::parse(options.node.address).value(), .credentials = options.node.credentials},
      {{.entity = options.entity, .from = options.from.value_or(1)}}, std::move(callbacks));
  auto ended = over.promise.fork();
  while (!session.wait_at_most(kLookEvery, ended.addBranch()))
    if (stdout_closed()) return kOk;
  return *code;
}

int run(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  const Colours colours = colours_for_stdout(options.json);
  if (options.no_follow) return print_stored(session, options, colours);
  return follow(session, options, colours);
}

}  // namespace

void add_tail_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("tail", "print a mailbox, one JSON object a line, and go on with what comes");
  command.add_option("entity", options->entity, "a player stream or a hub")->required()->type_name("KIND/KEY");
  command.add_option("--from", options->from, "the first offset wanted; default: the first that is kept")
      ->type_name("N");
  command.add_flag("--no-follow", options->no_follow, "end with what is there now");
  command.add_flag("--json", options->json, "no colours, on a terminal either");
  add_connect_option(command, options->node);
  add_examples(command,
               "  carillon tail player/Ada                  from the beginning, then live\n"
               "  carillon tail player/Ada --from 118       after offset 117 was seen\n"
               "  carillon tail match/2 --no-follow | wc -l\n");
  run_with(command, action, std::move(options), &run);
}

}  // namespace carillon::cli
