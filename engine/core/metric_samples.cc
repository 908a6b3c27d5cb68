#include "engine/core/metric_samples.h"

#include "absl/strings/str_cat.h"
#include "engine/observe/metrics.h"

namespace nori {
namespace {

std::vector<MetricSample> Gauges(const EngineStats& stats) {
  const auto count = [](int n) { return static_cast<uint64_t>(n); };
  return {
      {"memtable_bytes", "Bytes of memtables, active and immutable", false,
       stats.memtable_bytes},
      {"immutable_memtables", "Memtables that wait for their flush", false,
       count(stats.immutable_memtables)},
      {"l0_tables", "Flushed tables that slots have not taken over", false,
       count(stats.l0_tables)},
      {"slots", "Slots of the key space", false, count(stats.slots)},
      {"runs", "Sorted runs in all slots", false, count(stats.runs)},
      {"table_bytes", "Bytes of table files", false, stats.table_bytes},
      {"log_bytes", "Bytes of write-ahead log segments", false,
       stats.log_bytes},
      {"manifest_bytes", "Bytes of the manifest", false, stats.manifest_bytes},
      {"cache_bytes", "Bytes of the blocks in the cache", false,
       stats.cache_bytes},
      {"index_bytes", "Bytes of indexes and filters in memory", false,
       stats.index_bytes},
      {"cache_hits", "Blocks found in the cache", true, stats.cache_hits},
      {"cache_misses", "Blocks not found in the cache", true,
       stats.cache_misses},
      {"last_sequence", "Sequence number of the newest commit", false,
       stats.last_sequence},
      {"pressure_score", "Pressure: 0 idle, 0.5 yellow, 0.75 orange, 0.9 red",
       false, stats.pressure_score},
      {"pressure_zone", "Zone: 0 green, 1 yellow, 2 orange, 3 red", false,
       count(stats.pressure_zone)},
  };
}

// What a label's value may not hold as it is.
std::string EscapeLabel(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::vector<MetricSample> ListMetricSamples(const EngineStats& stats) {
  std::vector<MetricSample> samples = Gauges(stats);
  // stats.counters has the order of MetricInfos().
  size_t i = 0;
  for (const MetricInfo& info : MetricInfos()) {
    samples.push_back({info.name, info.help, true, stats.counters[i++].second});
  }
  return samples;
}

std::string MetricsText(const std::vector<MetricSample>& samples,
                        std::string_view schema) {
  const std::string label = EscapeLabel(schema);
  std::string text;
  for (const MetricSample& sample : samples) {
    const std::string name =
        absl::StrCat("nori_", sample.name, sample.counter ? "_total" : "");
    absl::StrAppend(&text, "# HELP ", name, " ", sample.help, "\n# TYPE ", name,
                    sample.counter ? " counter\n" : " gauge\n", name,
                    "{schema=\"", label, "\"} ");
    std::visit([&](auto value) { absl::StrAppend(&text, value, "\n"); },
               sample.value);
  }
  return text;
}

}  // namespace nori
