#include "cli/publish_command.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <random>

#include "cli/bulk.h"
#include "cli/input_line.h"
#include "cli/node_call.h"
#include "cli/terminal.h"
#include "runtime/json.h"

namespace carillon::cli {
namespace {

using std::chrono::milliseconds;

struct Options {
  NodeOptions node;
  std::string entity, type, payload = "{}", producer, traceparent;
  std::optional<Sequence> sequence;
  unsigned patience_s = 60;
  bool json = false;
};

// A producer that nobody else is.
std::string random_producer() {
  std::random_device device;
  std::string name = "cli-";
  for (int i = 0; i < 16; ++i) name += "0123456789abcdef"[device() % 16];
  return name;
}

void print_outcome(const Options& options, const std::string& producer, std::uint64_t accepted,
                   std::uint64_t duplicates, std::uint64_t refused) {
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("producer", producer).field("accepted", accepted);
    (void)print_line(json.field("duplicates", duplicates).field("refused", refused).end_object().text());
    return;
  }
  std::string text = grouped(accepted) + " accepted";
  if (duplicates > 0) text += ", " + grouped(duplicates) + " of them known already";
  if (refused > 0) text += ", " + grouped(refused) + " refused";
  (void)print_line(text);
}

// --- One event, from the command line.

int publish_one(const Options& options) {
  client::Session session;
  if (const ExitCode code = connect(session, options.node); code != kOk) return code;
  const std::string producer = options.producer.empty() ? own_producer(session, random_producer()) : options.producer;
  const client::Publication publication{options.entity, options.type, options.payload, options.sequence.value_or(1),
                                        options.traceparent};
  auto answer = session.publish(producer, {&publication, 1});
  if (!answer) return complain_of(session, answer.error());
  if (answer->getRefusals().size() > 0) return complain_of_refusal(client::error_of(answer->getRefusals()[0]));
  print_outcome(options, producer, 1, answer->getDuplicates(), 0);
  return kOk;
}

// --- Many, as lines on stdin.

// Cuts what is read into lines without waiting longer than asked.
class Input {
 public:
  enum class Got { kLine, kNothingYet, kEnd };

  Got next(std::string& line, milliseconds longest) {
    for (;;) {
      const std::size_t end = bytes_.find('\n', begin_);
      if (end != std::string::npos || (ended_ && begin_ < bytes_.size())) {
        line = bytes_.substr(begin_, end == std::string::npos ? end : end - begin_);
        begin_ = end == std::string::npos ? bytes_.size() : end + 1;
        ++number_;
        return Got::kLine;
      }
      if (ended_) return Got::kEnd;
      pollfd in{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      if (poll(&in, 1, static_cast<int>(longest.count())) == 0) return Got::kNothingYet;
      fill();
    }
  }
  std::uint64_t number() const { return number_; }  // Of the last line, from 1.

 private:
  void fill() {
    bytes_.erase(0, begin_);
    begin_ = 0;
    std::array<char, 65'536> chunk{};
    const ssize_t got = read(STDIN_FILENO, chunk.data(), chunk.size());
    if (got > 0) bytes_.append(chunk.data(), static_cast<std::size_t>(got));
    ended_ = got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
  }

  std::string bytes_;
  std::size_t begin_ = 0;
  std::uint64_t number_ = 0;
  bool ended_ = false;
};

int publish_lines(const Options& options) {
  Bulk bulk({.node = options.node,
             .producer = options.producer,
             .producer_by_default = random_producer(),
             .default_is_for_once = true,
             .patience = std::chrono::seconds(options.patience_s)});
  if (const ExitCode code = bulk.connect(); code != kOk) return code;
  Input input;
  Sequence last = options.sequence.value_or(1) - 1;
  std::optional<std::string> mistake;
  for (std::string text; !mistake;) {
    // While answers are due, the network gets its turn.
    const auto got = input.next(text, bulk.idle() ? milliseconds(1'000) : milliseconds(0));
    if (got == Input::Got::kEnd) break;
    if (got == Input::Got::kNothingYet) {
      if (!bulk.work_for(milliseconds(5))) return bulk.exit_code();
      continue;
    }
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto line = parse_input_line(text);
    if (!line) {
      mistake = line.error().message;
    } else if (const Sequence sequence = line->sequence.value_or(last + 1); sequence <= last) {
      mistake = "sequence " + std::to_string(sequence) + " does not follow " + std::to_string(last);
    } else {
      if (!bulk.offer({line->entity, line->type, line->payload, sequence,
                       line->traceparent.empty() ? options.traceparent : line->traceparent}))
        return bulk.exit_code();
      last = sequence;
    }
  }
  if (!bulk.finish()) return bulk.exit_code();
  print_outcome(options, bulk.producer(), bulk.figures().accepted, bulk.figures().duplicates, bulk.figures().refused);
  if (mistake) {
    complain("line " + std::to_string(input.number()) + " of the input: " + *mistake);
    say("The lines before it were published. Mend it and go on from there" +
        (options.producer.empty() ? std::string(".")
                                  : ", with --sequence " + std::to_string(last + 1) + ", or repeat all."));
    return kUsage;
  }
  return bulk.figures().refused > 0 ? kRefused : kOk;
}

int run(const Options& options) {
  if (options.sequence && options.producer.empty()) {
    complain("--sequence counts the events of a producer: name it with --producer");
    return kUsage;
  }
  if (options.sequence == 0u) {
    complain("--sequence begins at 1");
    return kUsage;
  }
  if (options.entity.empty()) return publish_lines(options);
  if (options.type.empty()) {
    complain("an event has a type: carillon publish KIND/KEY TYPE [JSON]");
    return kUsage;
  }
  if (!options.producer.empty() && !options.sequence) {
    complain("--producer needs --sequence N, one more than the last: together they make a repeat harmless");
    return kUsage;
  }
  return publish_one(options);
}

}  // namespace

void add_publish_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *app.add_subcommand("publish", "publish one event, or many as lines of JSON on stdin");
  command.add_option("entity", options->entity, "the addressee; without it, lines are read from stdin")
      ->type_name("KIND/KEY");
  command.add_option("type", options->type, "the event's type")->type_name("TYPE");
  command.add_option("payload", options->payload, "a JSON object")->type_name("JSON")->capture_default_str();
  command.add_option("--producer", options->producer, "who sends it; default: somebody new")->type_name("P");
  command.add_option("--sequence", options->sequence, "the producer's number for it (on stdin: for the first), from 1")
      ->type_name("N");
  command
      .add_option(
          "--traceparent", options->traceparent,
          "the trace that it belongs to, as in the header of W3C Trace Context (on stdin: of lines without one)")
      ->type_name("00-…");
  command
      .add_option("--patience", options->patience_s,
                  "how long to wait for a node that went away, or takes nothing (stdin)")
      ->type_name("SECONDS")
      ->capture_default_str();
  command.add_flag("--json", options->json, "print the outcome as one JSON object");
  add_connect_option(command, options->node);
  add_examples(command,
               "  carillon publish match/9 match_began '{\"map\":\"q3dm17\"}'\n"
               "  carillon publish match/9 match_ended --producer me --sequence 2\n"
               "  carillon publish --producer me < events.jsonl\n"
               "A line: {\"entity\": \"match/9\", \"type\": \"kill\", \"payload\": {…}, \"sequence\": 3}; without a\n"
               "sequence it is one more than that of the line before. It may have a \"traceparent\" too.\n");
  run_with(command, action, std::move(options), &run);
}

}  // namespace carillon::cli
