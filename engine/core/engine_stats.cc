// What an engine tells about itself.

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "engine/core/engine_impl.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

// Entries of a memtable are counted up to here, then guessed.
constexpr int kMaxMemtableSteps = 128;

Engine::RangeEstimate EstimateMemtable(const Memtable& memtable,
                                       const KeyRange& range) {
  Engine::RangeEstimate estimate;
  const uint64_t total = memtable.entry_count();
  if (total == 0) return estimate;
  const uint64_t bytes_each = memtable.MemoryUsage() / total;
  const auto it = memtable.NewIterator();
  it->Seek(range.begin, SeekTrailer(kMaxSequence));
  while (it->Valid() && range.Contains(it->user_key())) {
    if (++estimate.entries == kMaxMemtableSteps) {
      // More than can be counted; a skiplist has no ranks, so half of the rest.
      estimate.entries = std::max(estimate.entries, total / 2);
      break;
    }
    it->Next();
  }
  estimate.bytes = estimate.entries * bytes_each;
  return estimate;
}

void AddSlice(const TableRef& table, const KeyRange& range,
              Engine::RangeEstimate* estimate) {
  if (!TableOverlaps(table->meta, range)) return;
  const Slice slice = MakeSlice(table, range);
  estimate->entries += slice.entries;
  estimate->bytes += slice.bytes;
}

}  // namespace

Engine::RangeEstimate EngineImpl::Estimate(const KeyRange& range) {
  RangeEstimate total;
  const ReadViewRef view = state_.view();
  for (const MemLayer& layer : view->layers()) {
    if (layer.spilled != nullptr) {
      AddSlice(layer.spilled, range, &total);
      continue;
    }
    const RangeEstimate part = EstimateMemtable(*layer.memtable, range);
    total.entries += part.entries;
    total.bytes += part.bytes;
  }
  const Version& version = *view->version();
  for (const L0Table& l0 : version.l0()) {
    for (const KeyRange& remaining : l0.remaining) {
      if (remaining.Overlaps(range)) {
        AddSlice(l0.table, remaining.Intersect(range), &total);
      }
    }
  }
  const auto [first, last] = version.SlotRangeFor(range);
  for (size_t i = first; i <= last; ++i) {
    const Slot& slot = *version.slots()[i];
    if (range.Covers(slot.range)) {
      total.entries += slot.entries();
      total.bytes += slot.bytes();
      continue;
    }
    for (const Run& run : slot.runs) {
      for (const Slice& slice : run.slices) {
        if (slice.range.Overlaps(range)) {
          AddSlice(slice.table, slice.range.Intersect(range), &total);
        }
      }
    }
  }
  return total;
}

EngineStats EngineImpl::GetStats() {
  EngineStats stats;
  const ReadViewRef view = state_.view();
  const Version& version = *view->version();
  for (const MemLayer& layer : view->layers()) {
    if (layer.memtable != nullptr) {
      stats.memtable_bytes += layer.memtable->MemoryUsage();
    }
  }
  stats.immutable_memtables = controller_.ImmutableMemtables();
  stats.l0_tables = static_cast<int>(version.l0().size());
  stats.slots = static_cast<int>(version.slots().size());
  for (const SlotRef& slot : version.slots()) {
    stats.runs += static_cast<int>(slot->runs.size());
  }
  stats.table_bytes = version.table_bytes();
  stats.log_bytes = committer_.LogBytes();
  stats.manifest_bytes = state_.manifest_bytes();
  stats.cache_bytes = cache_->usage();
  stats.index_bytes = tables_->IndexBytes();
  stats.cache_hits = cache_->hits();
  stats.cache_misses = cache_->misses();
  stats.last_sequence = committer_.last_sequence();
  const PressureState pressure = controller_.pressure();
  stats.pressure_score = pressure.score;
  stats.pressure_zone = static_cast<int>(pressure.zone);
  stats.counters = ListMetrics(metrics_);
  return stats;
}

std::vector<SlotInfo> EngineImpl::GetSlots() {
  const ReadViewRef view = state_.view();
  const Version& version = *view->version();
  const std::vector<SlotHeat::Rates> rates = state_.RatesOf(*view);
  double sum = 0;
  double peak = 0;
  for (const auto& rate : rates) {
    sum += rate.Weighted();
    peak = std::max(peak, rate.Weighted());
  }
  std::vector<SlotInfo> infos;
  for (size_t i = 0; i < version.slots().size(); ++i) {
    const Slot& slot = *version.slots()[i];
    const SlotHeat& heat = *view->heat()[i];
    SlotInfo info;
    info.id = slot.id;
    info.range = slot.range;
    info.runs = static_cast<int>(slot.runs.size());
    info.max_runs = slot.max_runs;
    const std::vector<Run> l0_runs = version.L0RunsIn(slot.range);
    info.l0_slices = static_cast<int>(l0_runs.size());
    for (const Run& run : l0_runs) info.l0_bytes += run.bytes();
    if (!slot.runs.empty()) info.oldest_run_bytes = slot.runs.back().bytes();
    info.heat = NormalisedHeat(rates[i].Weighted(),
                               sum / static_cast<double>(rates.size()), peak);
    info.bytes = slot.bytes();
    info.entries = slot.entries();
    info.reads = heat.reads();
    info.writes = heat.writes();
    info.scans = heat.scans();
    info.last_compaction_micros = slot.last_compaction_micros;
    info.user_bytes = heat.user_bytes();
    info.flushed_bytes = heat.flushed_bytes();
    info.merged_bytes = heat.merged_bytes();
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<TableInfo> EngineImpl::GetTables() {
  const VersionRef version = state_.view()->version();
  std::map<uint64_t, TableInfo> infos;
  for (const L0Table& l0 : version->l0()) {
    TableInfo& info = infos[l0.table->meta.number];
    info.meta = l0.table->meta;
    info.l0_slices += static_cast<int>(l0.remaining.size());
  }
  for (const SlotRef& slot : version->slots()) {
    for (const Run& run : slot->runs) {
      for (const Slice& slice : run.slices) {
        TableInfo& info = infos[slice.table->meta.number];
        info.meta = slice.table->meta;
        ++info.slot_slices;
      }
    }
  }
  std::vector<TableInfo> result;
  result.reserve(infos.size());
  for (auto& [number, info] : infos) result.push_back(std::move(info));
  return result;
}

}  // namespace nori
