#include "cli/bulk.h"

#include <utility>

#include "cli/node_call.h"

namespace carillon::cli {

ExitCode Bulk::connect() {
  // The publisher would keep trying; at the start that is rarely what people want.
  if (const ExitCode code = cli::connect(session_, options_.node); code != kOk) return code;
  if (options_.producer.empty()) {
    producer_is_for_once_ = options_.default_is_for_once;
    options_.producer = own_producer(session_, options_.producer_by_default);
  }
  client::Publisher::Callbacks callbacks;
  callbacks.refused = [this](Sequence sequence, const Error& error) {
    progress_.clear();
    const std::uint64_t refused = publisher_->figures().refused;
    if (refused <= kRefusalsShown)
      complain("sequence " + std::to_string(sequence) + " refused: " + to_string(error));
    else if (refused == kRefusalsShown + 1)
      complain("more are refused; only counted from here on");
  };
  callbacks.disconnected = [this](const Error& error) {
    if (!lost_since_) lost_since_ = Clock::now();
    const auto sentence = absence_.lost(error);
    if (!sentence) return;
    progress_.clear();
    say(*sentence);
  };
  callbacks.connected = [this] {
    if (lost_since_) say("The node is back; going on, nothing is published twice.");
    lost_since_.reset();
    absence_.over();
  };
  publisher_.emplace(session_.network(), session_.timer(),
                     client::Publisher::Options{.addresses = client::Addresses::parse(options_.node.address).value(),
                                                .producer = options_.producer,
                                                .credentials = options_.node.credentials},
                     std::move(callbacks));
  return kOk;
}

bool Bulk::offer(const client::Publication& publication) {
  while (!publisher_->offer(publication)) {
    session_.wait_at_most(kLookEvery, publisher_->has_room());
    progress_.show(figures().accepted);
    if (!has_patience()) return false;
  }
  return true;
}

bool Bulk::work_for(std::chrono::milliseconds time) {
  session_.wait_at_most(time, publisher_->is_done());
  progress_.show(figures().accepted);
  return has_patience();
}

bool Bulk::finish() {
  while (!idle())
    if (!work_for(kLookEvery)) return false;
  progress_.clear();
  return true;
}

bool Bulk::has_patience() {
  if (!lost_since_) return has_patience_with_refusals();
  if (absence_.hopeless()) return give_up(kRefused, to_string(*absence_.hopeless()));
  if (Clock::now() - *lost_since_ < options_.patience) return true;
  return give_up(kCannotConnect, "the node at " + options_.node.address + " stayed away for " +
                                     std::to_string(options_.patience.count()) + " s");
}

// The node is there, and says again and again that this is not the time: its disk is full, say. Of several one after the other may
// be left for that, so it does not begin anew with a connection.
bool Bulk::has_patience_with_refusals() {
  const auto now = Clock::now();
  const auto settled = figures().accepted + figures().refused;
  if (settled != settled_ || idle() || settled_since_ == Clock::time_point()) {
    if (std::exchange(said_, false)) say("The node takes events again; going on, nothing is published twice.");
    settled_ = settled;
    settled_since_ = now;
    return true;
  }
  const auto why = publisher_->put_off() ? " (" + to_string(*publisher_->put_off()) + ")" : std::string();
  if (now - settled_since_ >= options_.patience)
    return give_up(kRefused, "the node at " + options_.node.address + " has taken nothing for " +
                                 std::to_string(options_.patience.count()) + " s" + why);
  if (now - settled_since_ >= kSaysAfter && !std::exchange(said_, true)) {
    progress_.clear();
    say("The node takes nothing for now" + why + "; trying again.");
  }
  return true;
}

bool Bulk::give_up(ExitCode code, const std::string& why) {
  exit_code_ = code;
  progress_.clear();
  const auto how = producer_is_for_once_ ? "the command with --producer " + options_.producer : "the same command";
  complain(why + "; what was accepted is durable. See to the node, then repeat " + how +
           ": nothing is published twice.");
  return false;
}

}  // namespace carillon::cli
