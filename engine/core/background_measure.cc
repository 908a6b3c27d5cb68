// The part of Background that measures: what policies see of the slots, what
// reads and merges cost, how new tables are best written.

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "engine/core/background.h"
#include "engine/format/checksum.h"
#include "engine/slots/adoption.h"
#include "engine/sstable/table.h"

namespace nori {
namespace {

// Half of the mean rate or less.
constexpr double kColdHeat = 0.25;

// Merges of fewer entries beside the largest run say nothing of overlap.
constexpr uint64_t kEnoughEntries = 64;

// What was known of a slot's overlap counts as so many sampled keys.
constexpr double kKnownKeys = 32;
// Of a filter's answers for keys that are not there.
constexpr double kFalsePositives = 0.01;

struct OverlapSample {
  double keys = 0;
  double hits = 0;        // keys that may be in an older table
  double false_hits = 0;  // of these, expected where no key is
};

// Asks the filters of all that is older than table `number` for `key`. Keys
// that a table without a filter may hold are left out.
void AskFilters(const Version& version, const Slot& slot, uint64_t number,
                const std::string& key, OverlapSample* sample) {
  const uint64_t hash = HashKey(key);
  bool hit = false;
  double all_right = 1;
  const auto ask = [&](const Table& table) {
    if (!table.reader->HasFilter()) return false;
    hit = hit || table.reader->MayContain(hash);
    all_right *= 1 - kFalsePositives;
    return true;
  };
  for (const L0Table& l0 : version.l0()) {
    if (l0.table->meta.number == number || !l0.Contains(key)) continue;
    if (!ask(*l0.table)) return;
  }
  for (const Run& run : slot.runs) {
    const Slice* slice = run.Find(key);
    if (slice != nullptr && !ask(*slice->table)) return;
  }
  sample->keys += 1;
  sample->hits += hit ? 1 : 0;
  sample->false_hits += 1 - all_right;
}

SlotView ViewOf(const Version& version, size_t index) {
  const Slot& slot = *version.slots()[index];
  SlotView view;
  view.id = slot.id;
  view.max_runs = slot.max_runs;
  for (size_t i = 0; i < version.l0().size(); ++i) {
    const L0Table& l0 = version.l0()[i];
    if (!l0.Overlaps(slot.range)) continue;
    uint64_t bytes = 0;
    for (const KeyRange& range : l0.remaining) {
      if (!range.Overlaps(slot.range)) continue;
      const KeyRange part = range.Intersect(slot.range);
      if (!TableOverlaps(l0.table->meta, part)) continue;
      const Slice slice = MakeSlice(l0.table, part);
      bytes += slice.bytes;
      view.entries += slice.entries;
    }
    view.l0_bytes.push_back(bytes);
    view.l0_positions.push_back(static_cast<int>(i));
  }
  view.l0_overlaps_first_run =
      !view.l0_bytes.empty() && !L0ExtendsNewestRun(version, index);
  for (const Run& run : slot.runs) {
    view.run_bytes.push_back(run.bytes());
    view.entries += run.entries();
    for (const Slice& slice : run.slices) {
      const TableMeta& meta = slice.table->meta;
      if (meta.entries == 0) {
        view.deletions += meta.range_deletions;
        view.entries += meta.range_deletions;
        continue;
      }
      const double share = static_cast<double>(slice.entries) /
                           static_cast<double>(meta.entries);
      view.deletions +=
          static_cast<uint64_t>(share * static_cast<double>(meta.deletions));
    }
  }
  return view;
}

// Fills in what tables keep on disk beside the parts that are still needed.
void AddPinned(const Version& version, std::vector<SlotView>* views) {
  struct Use {
    uint64_t bytes = 0;
    uint64_t slices = 0;
    uint64_t Pinned(const TableMeta& meta) const {
      return meta.file_bytes > bytes ? (meta.file_bytes - bytes) / slices : 0;
    }
  };
  absl::flat_hash_map<uint64_t, Use> used;
  for (const L0Table& l0 : version.l0()) {
    Use& use = used[l0.table->meta.number];
    for (const KeyRange& range : l0.remaining) {
      const auto [first, last] = version.SlotRangeFor(range);
      use.bytes += MakeSlice(l0.table, range).bytes;
      use.slices += last - first + 1;
    }
  }
  for (const SlotRef& slot : version.slots()) {
    for (const Run& run : slot->runs) {
      for (const Slice& slice : run.slices) {
        Use& use = used[slice.table->meta.number];
        use.bytes += slice.bytes;
        ++use.slices;
      }
    }
  }
  for (const L0Table& l0 : version.l0()) {
    const uint64_t pinned = used[l0.table->meta.number].Pinned(l0.table->meta);
    for (const KeyRange& range : l0.remaining) {
      const auto [first, last] = version.SlotRangeFor(range);
      for (size_t i = first; i <= last; ++i) (*views)[i].l0_pinned += pinned;
    }
  }
  for (size_t i = 0; i < views->size(); ++i) {
    const Slot& slot = *version.slots()[i];
    for (const Run& run : slot.runs) {
      uint64_t pinned = 0;
      for (const Slice& slice : run.slices) {
        pinned += used[slice.table->meta.number].Pinned(slice.table->meta);
      }
      (*views)[i].run_pinned.push_back(pinned);
    }
  }
}

}  // namespace

std::vector<SlotView> Background::SlotViews(const ReadView& view) {
  const Version& version = *view.version();
  const std::vector<SlotHeat::Rates> rates = context_.state->RatesOf(view);
  double peak = 0;
  double sum = 0;
  for (const auto& rate : rates) {
    sum += rate.Weighted();
    peak = std::max(peak, rate.Weighted());
  }
  const Costs costs = cost_meter_.costs();
  const double flush_rate = flush_meter_.PerSecond(options_.clock->NowMicros());
  const double mean =
      rates.empty() ? 0 : sum / static_cast<double>(rates.size());
  std::vector<SlotView> views;
  views.reserve(version.slots().size());
  for (size_t i = 0; i < version.slots().size(); ++i) {
    SlotView slot = ViewOf(version, i);
    slot.busy = busy_.contains(slot.id);
    slot.overlap = overlap_;
    const auto guard = guards_.find(slot.id);
    if (guard != guards_.end()) {
      slot.merge_for_join = guard->second.join_wanted;
      slot.overlap = guard->second.overlap.value_or(overlap_);
    }
    // Nothing was measured since the engine was opened: as it was left.
    slot.heat = sum > 0 ? NormalisedHeat(rates[i].Weighted(), mean, peak)
                        : version.slots()[i]->heat;
    slot.costs = costs;
    slot.arriving_bytes = view.heat()[i]->arriving_bytes();
    slot.flush_rate = flush_rate;
    slot.skipped = view.heat()[i]->skipped();
    slot.read_rate = rates[i].reads;
    slot.write_rate = rates[i].writes;
    slot.scan_rate = rates[i].scans;
    views.push_back(std::move(slot));
  }
  AddPinned(version, &views);
  return views;
}

void Background::MeasureCosts() {
  const Metrics& metrics = *context_.metrics;
  CostTotals totals;
  totals.filter_negatives = metrics.filter_negatives.Value();
  totals.filter_false_positives = metrics.filter_false_positives.Value();
  totals.blocks_read = metrics.blocks_read.Value();
  totals.blocks_missed = metrics.blocks_missed.Value();
  totals.get_hits = metrics.get_hits.Value();
  totals.gets = metrics.gets.Value();
  totals.merge_bytes = merge_bytes_;
  totals.merge_micros = merge_micros_;
  absl::MutexLock lock(&mutex_);
  cost_meter_.Observe(totals, options_.clock->NowMicros(),
                      options_.heat_half_life_s);
}

void Background::LearnOverlap(uint64_t slot_id, const std::vector<Run>& runs,
                              const MergeResult& result) {
  // What a snapshot kept would look like no overlap.
  if (!context_.snapshots->Held().empty()) return;
  uint64_t largest = 0;
  for (const Run& run : runs) largest = std::max(largest, run.entries());
  if (result.entries_in < largest + kEnoughEntries) return;
  const double overlap = std::min(
      1.0, static_cast<double>(result.entries_in - result.entries_out) /
               static_cast<double>(result.entries_in - largest));
  absl::MutexLock lock(&mutex_);
  std::optional<double>& known = guards_[slot_id].overlap;
  known = known.has_value() ? (*known + overlap) / 2 : overlap;
  overlap_ = (overlap_ + overlap) / 2;
}

void Background::LearnOverlap(const Version& version, uint64_t table_number,
                              const std::vector<std::string>& keys) {
  std::vector<OverlapSample> samples(version.slots().size());
  for (const std::string& key : keys) {
    const size_t i = version.SlotIndex(key);
    AskFilters(version, *version.slots()[i], table_number, key, &samples[i]);
  }
  absl::MutexLock lock(&mutex_);
  // A slot may have been split or joined since; nobody would remove what is
  // known of one that is gone.
  absl::flat_hash_set<uint64_t> present;
  const ReadViewRef view = context_.state->view();
  for (const SlotRef& slot : view->version()->slots()) present.insert(slot->id);
  for (size_t i = 0; i < samples.size(); ++i) {
    const OverlapSample& sample = samples[i];
    if (sample.keys == 0 || !present.contains(version.slots()[i]->id)) continue;
    const double hits = std::max(0.0, sample.hits - sample.false_hits) /
                        (sample.keys - sample.false_hits);
    std::optional<double>& known = guards_[version.slots()[i]->id].overlap;
    const double before = known.value_or(overlap_);
    known = before + sample.keys / (sample.keys + kKnownKeys) *
                         (std::min(hits, 1.0) - before);
  }
}

FilterBudget Background::Filters(const ReadView& view) {
  const std::vector<SlotHeat::Rates> rates = context_.state->RatesOf(view);
  double absent = 0;
  {
    absl::MutexLock lock(&mutex_);
    absent = cost_meter_.costs().absent_keys;
  }
  double reads = 0;
  std::vector<FilterLoad> loads;
  const std::vector<SlotRef>& slots = view.version()->slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    reads += rates[i].reads;
    for (const Run& run : slots[i]->runs) {
      const bool oldest = &run == &slots[i]->runs.back();
      loads.push_back({static_cast<double>(run.entries()),
                       rates[i].reads * (oldest ? absent : 1)});
    }
  }
  for (const L0Table& l0 : view.version()->l0()) {
    loads.push_back({static_cast<double>(l0.table->meta.entries), reads});
  }
  return FilterBudget(std::move(loads), options_.filter_bits_per_key);
}

double Background::FlushFilterBits(const Memtable& memtable) {
  const ReadViewRef view = context_.state->view();
  double reads = 0;
  for (const auto& rate : context_.state->RatesOf(*view)) reads += rate.reads;
  return Filters(*view).BitsFor(
      {static_cast<double>(memtable.entry_count()), reads});
}

TableWriterOptions Background::WriterOptionsFor(const ReadView& view,
                                                const Slot& slot,
                                                const std::vector<Run>& runs,
                                                bool bottommost) {
  TableWriterOptions writer = TableStore::WriterOptions(options_);
  const std::vector<SlotHeat::Rates> rates = context_.state->RatesOf(view);
  const size_t index = view.version()->SlotIndexById(slot.id);
  double sum = 0;
  double peak = 0;
  for (const auto& rate : rates) {
    sum += rate.Weighted();
    peak = std::max(peak, rate.Weighted());
  }
  const double heat = NormalisedHeat(
      rates[index].Weighted(), sum / static_cast<double>(rates.size()), peak);
  // Where nothing is used, nothing is known to be cold.
  if (bottommost && sum > 0 && heat <= kColdHeat &&
      options_.compression != Compression::kNone) {
    writer.compression = options_.cold_compression;
  }
  double absent = 1;
  if (bottommost) {
    absl::MutexLock lock(&mutex_);
    absent = cost_meter_.costs().absent_keys;
  }
  FilterLoad load;
  for (const Run& run : runs) {
    load.entries += static_cast<double>(run.entries());
  }
  load.probes = rates[index].reads * absent;
  writer.filter_bits_per_key = Filters(view).BitsFor(load);
  return writer;
}

}  // namespace nori
