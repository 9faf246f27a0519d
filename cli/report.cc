#include "cli/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "actors/answer_json.h"
#include "cli/columns.h"
#include "cli/pretty_json.h"
#include "cli/span_text.h"

namespace carillon::cli {
namespace {

constexpr unsigned kBusiestShown = 5;

std::string_view view(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

std::string milliseconds(double ms) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", ms);
  return text.data();
}

bool is_whole(double value) { return value >= 0 && value < 9e15 && value == std::floor(value); }

std::string figure(double value) {
  return is_whole(value) ? grouped(static_cast<std::uint64_t>(value)) : milliseconds(value);
}

std::string span_of(wire::Inspection::Reader inspection) {
  if (inspection.getLastOffset() == 0) return "empty";
  if (inspection.getFirstOffset() > inspection.getLastOffset())
    return "offsets up to " + grouped(inspection.getLastOffset()) + ", none kept";
  return "offsets " + grouped(inspection.getFirstOffset()) + " to " + grouped(inspection.getLastOffset());
}

}  // namespace

std::string event_line(Offset offset, wire::StoredEvent::Reader event, const Colours& colours) {
  std::string text = actors::event_json(offset, event);
  if (colours.reset.empty()) return text;
  // The type stands out, what follows the payload stands back; the JSON is the same.
  const std::size_t type = text.find(R"("type":)");
  const std::size_t payload = text.find(R"(,"payload":)", type);
  const std::size_t accepted = text.rfind(R"(,"accepted_at":)");
  if (type == std::string::npos || payload == std::string::npos || accepted == std::string::npos) return text;
  text.insert(text.size(), colours.reset);
  text.insert(accepted, colours.dim);
  text.insert(payload, colours.reset);
  text.insert(type, colours.cyan);
  return text;
}

std::string inspection_text(std::string_view entity, wire::Inspection::Reader inspection, const Colours& colours) {
  const bool is_hub = inspection.getBehaviourVersion() != 0;
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text.append("  ").append(colours.dim).append(padded(name, 14)).append(colours.reset).append(value).append("\n");
  };
  text.append(colours.bold).append(entity).append(colours.reset);
  text += is_hub ? ", a hub, behaviour version " + std::to_string(inspection.getBehaviourVersion()) + "\n"
                 : std::string(", a stream\n");
  line("mailbox", span_of(inspection));
  if (is_hub) {
    const std::uint64_t behind =
        inspection.getLastOffset() - std::min(inspection.getCursor(), inspection.getLastOffset());
    line("cursor", grouped(inspection.getCursor()) + (behind == 0 ? "" : ", " + grouped(behind) + " behind"));
  }
  if (inspection.getDeadLetters() == 0)
    line("dead letters", "none");
  else
    line("dead letters", std::string(colours.red) + grouped(inspection.getDeadLetters()) + std::string(colours.reset) +
                             "  (carillon deadletters list '" + std::string(entity) + "')");
  if (!view(inspection.getState()).empty()) {
    text.append("  ").append(colours.dim).append("state").append(colours.reset).append("\n");
    text += pretty_json(view(inspection.getState()), 4) + "\n";
  }
  return text;
}

std::string stats_text(wire::Stats::Reader stats, const Colours& colours) {
  std::size_t width = 24;
  for (const auto stage : stats.getStages()) width = std::max(width, view(stage.getStage()).size());
  for (const auto counter : stats.getCounters()) width = std::max(width, view(counter.getName()).size());
  const auto row = [&](std::string_view name, std::string_view a, std::string_view b, std::string_view c,
                       std::string_view d) {
    return "  " + padded(name, width) + right(a, 13) + right(b, 10) + right(c, 10) + right(d, 10);
  };
  std::string text =
      "carillon " + std::string(view(stats.getVersion())) + ", up " + span_text(stats.getUptimeMs()) + "\n\n";
  text.append(colours.dim).append(row("stage", "samples", "p50 ms", "p99 ms", "max ms")).append(colours.reset) += "\n";
  for (const auto stage : stats.getStages())
    text += row(view(stage.getStage()), grouped(stage.getCount()), milliseconds(stage.getP50Ms()),
                milliseconds(stage.getP99Ms()), milliseconds(stage.getMaxMs())) +
            "\n";
  text.append("\n").append(colours.dim).append("  counters").append(colours.reset).append("\n");
  for (const auto counter : stats.getCounters())
    text += "  " + padded(view(counter.getName()), width) + right(figure(counter.getValue()), 13) + "\n";
  if (stats.getBusiest().size() > 0)
    text.append("\n").append(colours.dim).append("  busiest entities, events/s").append(colours.reset).append("\n");
  for (unsigned i = 0; i < std::min(stats.getBusiest().size(), kBusiestShown); ++i) {
    const auto busy = stats.getBusiest()[i];
    text += "  " + padded(view(busy.getEntity()), width) + right(milliseconds(busy.getEventsPerS()), 13) + "\n";
  }
  return text;
}

std::string dead_letter_text(wire::DeadLetter::Reader letter, const Colours& colours) {
  std::string text(colours.bold);
  text.append(view(letter.getEntity())).append(" ").append(std::to_string(letter.getOffset())).append(colours.reset);
  text.append("  ").append(colours.cyan).append(view(letter.getEvent().getType())).append(colours.reset);
  text.append("  ").append(view(letter.getReason()));
  text.append(colours.dim)
      .append(" (")
      .append(std::to_string(letter.getAttempts()))
      .append(letter.getAttempts() == 1 ? " attempt)" : " attempts)");
  if (const auto trace = TraceParent::parse(view(letter.getEvent().getTraceparent())))
    text.append(" trace ").append(trace->trace_id());
  return text.append(colours.reset).append("\n");
}

}  // namespace carillon::cli
