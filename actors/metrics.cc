#include "actors/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

namespace carillon::actors {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family_of(const Figure& figure) {
  return {"carillon_" + figure.name, figure.help, figure.counter ? MetricType::Counter : MetricType::Gauge, {}};
}

ClientMetric metric_of(const Figure& figure) {
  ClientMetric metric;
  for (const auto& [name, value] : figure.labels) metric.label.push_back({name, value});
  if (figure.counter)
    metric.counter.value = figure.value;
  else
    metric.gauge.value = figure.value;
  return metric;
}

ClientMetric histogram_of(const NodeStats::Stage& stage) {
  using std::chrono::microseconds;
  static constexpr microseconds kBounds[] = {
      microseconds(100),       microseconds(200),       microseconds(500),       microseconds(1'000),
      microseconds(2'000),     microseconds(5'000),     microseconds(10'000),    microseconds(20'000),
      microseconds(50'000),    microseconds(100'000),   microseconds(200'000),   microseconds(500'000),
      microseconds(1'000'000), microseconds(2'000'000), microseconds(5'000'000), microseconds(10'000'000)};
  ClientMetric metric;
  metric.label.push_back({"stage", stage.name});
  metric.histogram.sample_count = stage.latencies.count();
  metric.histogram.sample_sum = stage.latencies.sum_seconds();
  for (const auto bound : kBounds)
    metric.histogram.bucket.push_back({stage.latencies.at_most(bound), static_cast<double>(bound.count()) / 1e6});
  metric.histogram.bucket.push_back({stage.latencies.count(), std::numeric_limits<double>::infinity()});
  return metric;
}

}  // namespace

std::string to_prometheus(const NodeStats& stats) {
  std::vector<MetricFamily> families;
  for (const auto& figure : stats.figures()) {
    auto family = family_of(figure);
    if (families.empty() || families.back().name != family.name) families.push_back(std::move(family));
    families.back().metric.push_back(metric_of(figure));
  }
  MetricFamily stages{
      "carillon_stage_seconds", "Where the time goes, by stage of an event's life.", MetricType::Histogram, {}};
  for (const auto& stage : stats.stages()) stages.metric.push_back(histogram_of(stage));
  families.push_back(std::move(stages));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace carillon::actors
