// Counters of one engine. Relaxed atomics: cheap, individually exact, not a
// consistent cut.

#ifndef NORI_ENGINE_OBSERVE_METRICS_H_
#define NORI_ENGINE_OBSERVE_METRICS_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace nori {

// Only ever grows. Thread-safe.
class Counter {
 public:
  void Add(uint64_t n = 1) { v_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t Value() const { return v_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> v_{0};
};

// Name, help text and member of each counter are listed once, in metrics.cc.
struct Metrics {
  Counter commits, entries_written, user_bytes_written, log_bytes_written,
      log_syncs, gets, get_hits, iterators, dead_range_jumps, filter_checks,
      filter_negatives, filter_false_positives, blocks_read, blocks_missed,
      flushes, flush_bytes_written, compactions, compaction_bytes_read,
      compaction_bytes_written, adoptions, slot_splits, slot_joins,
      write_delays, write_delay_micros, write_stalls, write_rejections,
      background_errors, spilled_tables, spilled_bytes;
};

// How a counter is named and what it counts.
struct MetricInfo {
  const char* name;  // snake_case, as the member
  const char* help;  // one line, with the unit where it is not a plain count
  Counter Metrics::*counter;
};

// Every counter once, in the order of the members. Lives for ever.
absl::Span<const MetricInfo> MetricInfos();

// (name, value) of every counter, in the order of MetricInfos(). Thread-safe;
// counters that move meanwhile may be from slightly different instants.
std::vector<std::pair<std::string, uint64_t>> ListMetrics(
    const Metrics& metrics);

}  // namespace nori

#endif  // NORI_ENGINE_OBSERVE_METRICS_H_
