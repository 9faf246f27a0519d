#include "cli/terminal.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace carillon::cli {
namespace {

constexpr Colours kColours{"\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[0m"};

bool wants_colours(int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  return isatty(descriptor) == 1 && (no_color == nullptr || *no_color == '\0');
}

int output_errno = 0;  // The first one; nobody who has had enough.

void to_stderr(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace

Colours colours_for_stdout(bool plain) { return !plain && wants_colours(STDOUT_FILENO) ? kColours : Colours{}; }
Colours colours_for_stderr() { return wants_colours(STDERR_FILENO) ? kColours : Colours{}; }

bool print(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return true;
  if (errno != EPIPE && output_errno == 0) output_errno = errno == 0 ? EIO : errno;
  return false;
}

bool print_line(std::string_view line) { return print(std::string(line) + "\n"); }

std::string output_trouble() { return output_errno == 0 ? std::string() : std::strerror(output_errno); }

bool stdout_closed() {
  pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLNVAL)) != 0;
}

void say(std::string_view sentence) { to_stderr(std::string(sentence) + "\n"); }

void complain(std::string_view sentence) {
  const Colours colours = colours_for_stderr();
  to_stderr(std::string(colours.red) + "carillon:" + std::string(colours.reset) + " " + std::string(sentence) + "\n");
}

Progress::Progress(std::string what, std::uint64_t total)
    : what_(std::move(what)), total_(total), enabled_(isatty(STDERR_FILENO) == 1) {}

void Progress::show(std::uint64_t done) {
  const auto now = Clock::now();
  if (!enabled_ || now < next_) return;
  next_ = now + std::chrono::milliseconds(100);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  std::string line = "\r\x1b[K" + what_ + " " + grouped(done);
  if (total_ > 0) line += " of " + grouped(total_) + " (" + std::to_string(done * 100 / total_) + " %)";
  if (seconds > 0.2) line += ", " + grouped(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)) + "/s";
  to_stderr(line);
  shown_ = true;
}

void Progress::clear() {
  if (shown_) to_stderr("\r\x1b[K");
  shown_ = false;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

}  // namespace carillon::cli
