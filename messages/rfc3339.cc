#include "messages/rfc3339.h"

#include <chrono>

namespace carillon {

// Written for every event that goes out as JSON, and so without printf.
std::string rfc3339(UnixMs time) {
  using std::chrono::days;
  const std::chrono::sys_time<std::chrono::milliseconds> point{std::chrono::milliseconds(time)};
  const auto day = std::chrono::floor<days>(point);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{point - day};
  std::string text = "0000-00-00T00:00:00.000Z";
  const auto put = [&text](std::size_t last, auto number) {
    for (auto rest = static_cast<unsigned>(number); rest > 0; rest /= 10)
      text[last--] = static_cast<char>('0' + rest % 10);
  };
  put(6, static_cast<unsigned>(date.month()));
  put(9, static_cast<unsigned>(date.day()));
  put(12, clock.hours().count());
  put(15, clock.minutes().count());
  put(18, clock.seconds().count());
  put(22, clock.subseconds().count());
  if (const auto year = static_cast<int>(date.year()); year >= 0 && year <= 9'999)
    put(3, year);
  else
    text.replace(0, 4, std::to_string(year));
  return text;
}

}  // namespace carillon
