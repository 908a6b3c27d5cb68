#include "engine/observe/metrics.h"

#include <iterator>

namespace nori {
namespace {

constexpr MetricInfo kMetrics[] = {
    {"commits", "Commits published (batches and transactions)",
     &Metrics::commits},
    {"entries_written", "Puts, deletes and range deletes committed",
     &Metrics::entries_written},
    {"user_bytes_written", "Bytes of keys and values committed",
     &Metrics::user_bytes_written},
    {"log_bytes_written", "Bytes appended to the write-ahead log",
     &Metrics::log_bytes_written},
    {"log_syncs", "Times the write-ahead log was synced to the device",
     &Metrics::log_syncs},
    {"gets", "Point reads", &Metrics::gets},
    {"get_hits", "Point reads that found a live value", &Metrics::get_hits},
    {"iterators", "Iterators created", &Metrics::iterators},
    {"dead_range_jumps",
     "Times a scan passed over a stretch known to hold nothing live",
     &Metrics::dead_range_jumps},
    {"filter_checks", "Table filters asked by point reads",
     &Metrics::filter_checks},
    {"filter_negatives", "Table filters that ruled their table out",
     &Metrics::filter_negatives},
    {"filter_false_positives",
     "Table filters that let a point read through to a table without the key",
     &Metrics::filter_false_positives},
    {"blocks_read", "Blocks asked for by reads, from cache or device",
     &Metrics::blocks_read},
    {"blocks_missed", "Blocks that were not in the cache",
     &Metrics::blocks_missed},
    {"flushes", "Memtables written to tables", &Metrics::flushes},
    {"flush_bytes_written", "Bytes of tables written by flushes",
     &Metrics::flush_bytes_written},
    {"compactions", "Merges of runs finished", &Metrics::compactions},
    {"compaction_bytes_read", "Bytes of tables read by merges",
     &Metrics::compaction_bytes_read},
    {"compaction_bytes_written", "Bytes of tables written by merges",
     &Metrics::compaction_bytes_written},
    {"adoptions", "Times a slot took over its part of L0 without copying",
     &Metrics::adoptions},
    {"slot_splits", "Slots split in two", &Metrics::slot_splits},
    {"slot_joins", "Neighbouring slots joined", &Metrics::slot_joins},
    {"write_delays", "Writes slowed by pressure", &Metrics::write_delays},
    {"write_delay_micros", "Microseconds that pressure delayed writes",
     &Metrics::write_delay_micros},
    {"write_stalls", "Writes that waited for background work in zone red",
     &Metrics::write_stalls},
    {"write_rejections", "Writes given up after waiting in zone red",
     &Metrics::write_rejections},
    {"background_errors", "Flushes and compactions that failed",
     &Metrics::background_errors},
    {"spilled_tables", "Tables of committed transactions too large for memory",
     &Metrics::spilled_tables},
    {"spilled_bytes", "Bytes of tables of such transactions",
     &Metrics::spilled_bytes},
};

// Metrics holds nothing but counters, so its size tells whether one of them is
// missing in the table above.
static_assert(std::size(kMetrics) * sizeof(Counter) == sizeof(Metrics),
              "a counter is missing in kMetrics");

}  // namespace

absl::Span<const MetricInfo> MetricInfos() { return kMetrics; }

std::vector<std::pair<std::string, uint64_t>> ListMetrics(
    const Metrics& metrics) {
  std::vector<std::pair<std::string, uint64_t>> list;
  list.reserve(std::size(kMetrics));
  for (const MetricInfo& info : kMetrics) {
    list.emplace_back(info.name, (metrics.*info.counter).Value());
  }
  return list;
}

}  // namespace nori
