// What an engine tells about itself.

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "engine/core/engine_impl.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

// Entries of a memtable that an estimate rests on: they leave an error of some
// 15 percent.
constexpr size_t kMemtableSample = 48;

Engine::RangeEstimate EstimateMemtable(const Memtable& memtable,
                                       const KeyRange& range) {
  Engine::RangeEstimate estimate;
  const uint64_t total = memtable.entry_count();
  if (total == 0) return estimate;
  estimate.entries = std::min(
      total,
      memtable.SampleRange(range.begin, range.end, kMemtableSample).entries);
  estimate.bytes = estimate.entries * (memtable.MemoryUsage() / total);
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

namespace {

// A part of a layer, from which samples are taken by its share of all entries.
struct SampledPart {
  const Memtable* memtable = nullptr;  // else `slice`
  Slice slice;
  uint64_t entries = 0;
};

void AddPart(const TableRef& table, const KeyRange& range,
             std::vector<SampledPart>* parts) {
  if (!TableOverlaps(table->meta, range)) return;
  SampledPart part;
  part.slice = MakeSlice(table, range);
  part.entries = part.slice.entries;
  parts->push_back(std::move(part));
}

std::vector<SampledPart> ListParts(const ReadView& view,
                                   const KeyRange& range) {
  std::vector<SampledPart> parts;
  for (const MemLayer& layer : view.layers()) {
    if (layer.spilled != nullptr) {
      AddPart(layer.spilled, range, &parts);
    } else {
      parts.push_back({layer.memtable.get(), Slice(),
                       EstimateMemtable(*layer.memtable, range).entries});
    }
  }
  for (const Run& run : view.version()->L0RunsIn(range)) {
    for (const Slice& slice : run.slices) {
      parts.push_back({nullptr, slice, slice.entries});
    }
  }
  const auto [first, last] = view.version()->SlotRangeFor(range);
  for (size_t i = first; i <= last; ++i) {
    for (const Run& run : view.version()->slots()[i]->runs) {
      for (const Slice& slice : run.slices) {
        if (slice.range.Overlaps(range)) {
          AddPart(slice.table, slice.range.Intersect(range), &parts);
        }
      }
    }
  }
  return parts;
}

// Up to `n` keys of the part, evenly spread.
void SamplePart(const SampledPart& part, const KeyRange& range, size_t n,
                std::vector<std::string>* keys) {
  if (part.memtable == nullptr) {
    for (std::string& key : part.slice.table->reader->SampleKeys(
             part.slice.range.begin, part.slice.range.end, n)) {
      keys->push_back(std::move(key));
    }
    return;
  }
  const std::vector<std::string_view> all =
      part.memtable->SampleRange(range.begin, range.end, n).keys;
  const size_t step = std::max<size_t>(1, all.size() / n);
  for (size_t i = step / 2; i < all.size(); i += step) {
    keys->emplace_back(all[i]);
  }
}

}  // namespace

std::vector<std::string> EngineImpl::SampleKeys(const KeyRange& range,
                                                size_t n) {
  const ReadViewRef view = state_.view();
  const std::vector<SampledPart> parts = ListParts(*view, range);
  uint64_t total = 0;
  for (const SampledPart& part : parts) total += part.entries;
  std::vector<std::string> keys;
  if (total == 0) return keys;
  // What a part is owed and did not get goes on to the next.
  double owed = 0;
  for (const SampledPart& part : parts) {
    owed += static_cast<double>(n) * static_cast<double>(part.entries) /
            static_cast<double>(total);
    const auto take = static_cast<size_t>(std::max(0L, std::lround(owed)));
    if (take == 0) continue;
    SamplePart(part, range, take, &keys);
    owed -= static_cast<double>(take);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
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
