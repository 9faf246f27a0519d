// What a node says of how it fares: figures for /metrics and `stats`, problems for health. Pure values.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace carillon::actors {

struct Figure {
  std::string name;  // As in /metrics, without the prefix. Those of one name stand together.
  std::string help;
  double value = 0;
  bool counter = true;                                      // Or a gauge.
  std::vector<std::pair<std::string, std::string>> labels;  // Name and value.

  // With its labels, as Prometheus writes it: link_up{peer="bee"}.
  std::string full_name() const {
    if (labels.empty()) return name;
    std::string text = name + "{";
    for (const auto& [label, content] : labels)
      text.append(text.back() == '{' ? "" : ",").append(label).append("=\"").append(content).append("\"");
    return text + "}";
  }
};

struct Problem {
  std::string sentence;
  bool blocks = true;  // Clients should be sent to another node (/readyz). Not for what ails all nodes alike.
};

}  // namespace carillon::actors
