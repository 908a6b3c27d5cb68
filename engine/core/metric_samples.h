// Everything an engine measures about itself, named and explained.

#ifndef NORI_ENGINE_CORE_METRIC_SAMPLES_H_
#define NORI_ENGINE_CORE_METRIC_SAMPLES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/engine.h"

namespace nori {

struct MetricSample {
  const char* name;  // snake_case
  const char* help;  // one line, with the unit where it is not a plain count
  bool counter;      // only ever grows; else a gauge
  std::variant<uint64_t, double> value;
};

// The gauges, then the counters. The texts live for ever.
std::vector<MetricSample> ListMetricSamples(const EngineStats& stats);

// The samples in the Prometheus text exposition format, version 0.0.4: names
// begin with "nori_", those of counters end with "_total", and the label
// `schema` tells the databases of a connection apart.
std::string MetricsText(const std::vector<MetricSample>& samples,
                        std::string_view schema);

}  // namespace nori

#endif  // NORI_ENGINE_CORE_METRIC_SAMPLES_H_
