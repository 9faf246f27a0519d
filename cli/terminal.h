// What the commands print on: stdout for data, stderr for people. Colours and progress only where a terminal shows them.
//
// Not thread-safe: the main thread prints.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace carillon::cli {

// Escape sequences, or nothing at all.
struct Colours {
  std::string_view bold, dim, red, green, yellow, cyan, reset;
};
// NO_COLOR in the environment switches them off (no-color.org), as does `plain`.
Colours colours_for_stdout(bool plain = false);
Colours colours_for_stderr();

// Writes `text` to stdout at once. False when nobody reads any more (`| head`): then end quietly.
[[nodiscard]] bool print(std::string_view text);
[[nodiscard]] bool print_line(std::string_view line);
// The same for a command that waits and has nothing to print.
bool stdout_closed();
// Why something could not be written to stdout, other than that nobody reads it any more; empty: all was.
std::string output_trouble();

// One line on stderr: what happened, and the next step.
void say(std::string_view sentence);
// "carillon: …", red on a terminal.
void complain(std::string_view sentence);

// A line on stderr that is overwritten as the work goes on; nothing where stderr is no terminal.
class Progress {
 public:
  // `total` 0: not known.
  explicit Progress(std::string what, std::uint64_t total = 0);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::uint64_t done);  // Draws at most ten times a second.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  std::uint64_t total_;
  bool shown_ = false;
  bool enabled_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
};

// A number for people: 1234567 is "1,234,567".
std::string grouped(std::uint64_t number);

}  // namespace carillon::cli
