// The part of Background that picks, runs and installs compactions.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "engine/compaction/merge.h"
#include "engine/core/background.h"
#include "engine/format/status_macros.h"
#include "engine/iterators/run_iterator.h"
#include "engine/slots/adoption.h"

namespace nori {
namespace {

// Compaction reads tables in steps of this many bytes, past the block cache.
constexpr size_t kCompactionReadahead = size_t{256} << 10;

// Half of the mean rate or less.
constexpr double kColdHeat = 0.25;

// Merges of fewer entries beside the largest run say nothing of overlap.
constexpr uint64_t kEnoughEntries = 64;

void AddTombstones(const Run& run, std::vector<RangeTombstone>* out) {
  for (const Slice& slice : run.slices) {
    const auto& fragments = slice.table->reader->range_tombstones().fragments();
    for (const auto& fragment : fragments) {
      const KeyRange range{fragment.begin, fragment.end};
      if (!range.Overlaps(slice.range)) continue;
      const KeyRange clipped = range.Intersect(slice.range);
      for (SequenceNumber sequence : fragment.sequences) {
        out->push_back({clipped.begin, clipped.end, sequence});
      }
    }
  }
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

// Calls f(slice) for every slice of L0 in the slot, then for every slice of
// each run with the run's place.
template <typename F, typename G>
void ForEachSlice(const Version& version, const Slot& slot, F in_l0, G in_run) {
  for (const L0Table& l0 : version.l0()) {
    for (const KeyRange& range : l0.remaining) {
      if (!range.Overlaps(slot.range)) continue;
      const KeyRange part = range.Intersect(slot.range);
      if (TableOverlaps(l0.table->meta, part)) in_l0(MakeSlice(l0.table, part));
    }
  }
  for (size_t run = 0; run < slot.runs.size(); ++run) {
    for (const Slice& slice : slot.runs[run].slices) in_run(slice, run);
  }
}

// Fills in what tables keep on disk beside the parts that are still needed.
void AddPinned(const Version& version, std::vector<SlotView>* views) {
  struct Use {
    uint64_t bytes = 0;
    uint64_t slices = 0;
  };
  absl::flat_hash_map<uint64_t, Use> used;
  const auto add = [&](const Slice& slice) {
    Use& use = used[slice.table->meta.number];
    use.bytes += slice.bytes;
    ++use.slices;
  };
  for (const SlotRef& slot : version.slots()) {
    ForEachSlice(version, *slot, add,
                 [&](const Slice& slice, size_t) { add(slice); });
  }
  const auto pinned = [&](const Slice& slice) -> uint64_t {
    const Use& use = used[slice.table->meta.number];
    const uint64_t file = slice.table->meta.file_bytes;
    return file > use.bytes ? (file - use.bytes) / use.slices : 0;
  };
  for (size_t i = 0; i < views->size(); ++i) {
    SlotView& view = (*views)[i];
    view.run_pinned.assign(view.run_bytes.size(), 0);
    ForEachSlice(
        version, *version.slots()[i],
        [&](const Slice& slice) { view.l0_pinned += pinned(slice); },
        [&](const Slice& slice, size_t run) {
          view.run_pinned[run] += pinned(slice);
        });
  }
}

}  // namespace

std::vector<SlotView> Background::SlotViews(const ReadView& view) {
  const Version& version = *view.version();
  const std::vector<SlotHeat::Rates> rates = context_.state->RatesOf(view);
  double peak = 0;
  double sum = 0;
  double writes = 0;
  for (const auto& rate : rates) {
    sum += rate.Weighted();
    writes += rate.writes;
    peak = std::max(peak, rate.Weighted());
  }
  const Costs costs = cost_meter_.costs();
  // What comes to L0 before the slots take it.
  const double round = static_cast<double>(options_.memtable_bytes) *
                       static_cast<double>(options_.l0_trigger);
  const double mean =
      rates.empty() ? 0 : sum / static_cast<double>(rates.size());
  std::vector<SlotView> views;
  views.reserve(version.slots().size());
  for (size_t i = 0; i < version.slots().size(); ++i) {
    SlotView slot = ViewOf(version, i);
    slot.busy = busy_.contains(slot.id);
    const auto guard = guards_.find(slot.id);
    if (guard != guards_.end()) {
      slot.merge_for_join = guard->second.join_wanted;
      slot.overlap = guard->second.overlap.value_or(overlap_);
    }
    // Nothing was measured since the engine was opened: as it was left.
    slot.heat = sum > 0 ? NormalisedHeat(rates[i].Weighted(), mean, peak)
                        : version.slots()[i]->heat;
    slot.costs = costs;
    slot.overlap = overlap_;
    if (rates[i].writes > 0) {
      slot.arriving_bytes =
          static_cast<uint64_t>(round * rates[i].writes / writes) + 1;
    }
    slot.read_rate = rates[i].reads;
    slot.write_rate = rates[i].writes;
    slot.scan_rate = rates[i].scans;
    views.push_back(std::move(slot));
  }
  AddPinned(version, &views);
  return views;
}

absl::StatusOr<bool> Background::CompactOne() {
  std::optional<Picked> picked;
  {
    const PressureZone zone = context_.controller->pressure().zone;
    absl::MutexLock lock(&mutex_);
    const uint64_t generation = generation_;
    const ReadViewRef view = context_.state->view();
    std::vector<SlotView> views = SlotViews(*view);
    std::optional<CompactionChoice> choice = scheduler_->Pick(views, zone);
    if (!choice.has_value()) {
      if (busy_.empty()) idle_generation_ = generation;
      changed_.SignalAll();
      return false;
    }
    const auto slot = std::find_if(
        views.begin(), views.end(),
        [&](const SlotView& v) { return v.id == choice->slot_id; });
    picked = Picked{*choice, *slot};
    busy_.insert(choice->slot_id);
    if (slot->merge_for_join) {
      guards_[choice->slot_id].join_wanted = false;
      guards_[choice->slot_id].join_merged = options_.clock->NowMicros();
    }
  }
  const auto unlock =
      absl::MakeCleanup([&] { UnlockSlot(picked->choice.slot_id); });
  const int before = static_cast<int>(picked->view.l0_bytes.size() +
                                      picked->view.run_bytes.size());
  Record(EventKind::kBanditSelection, picked->choice.slot_id, 0, 0, 0,
         picked->choice.score,
         absl::StrCat(picked->choice.reason,
                      picked->choice.explored ? " (explored)" : ""));
  NORI_ASSIGN_OR_RETURN(const uint64_t rewritten, Execute(picked->choice));
  const VersionRef after = context_.state->view()->version();
  const size_t index = after->SlotIndexById(picked->choice.slot_id);
  const int runs_after =
      index < after->slots().size()
          ? static_cast<int>(after->slots()[index]->runs.size())
          : before;
  {
    absl::MutexLock lock(&mutex_);
    const double reward = scheduler_->Reward(picked->choice, before, runs_after,
                                             rewritten, picked->view);
    Record(EventKind::kBanditReward, picked->choice.slot_id, 0, rewritten, 0,
           reward, "");
  }
  NORI_RETURN_IF_ERROR(SplitIfLarge(picked->choice.slot_id));
  context_.controller->Update();
  return true;
}

absl::StatusOr<uint64_t> Background::Execute(const CompactionChoice& choice) {
  const ReadViewRef view = context_.state->view();
  const size_t index = view->version()->SlotIndexById(choice.slot_id);
  if (index == view->version()->slots().size()) {
    return absl::InternalError("compaction of a slot that is gone");
  }
  if (choice.merge_l0 || choice.runs_to_merge > 0) {
    return Merge(*view, *view->version()->slots()[index], choice);
  }
  uint64_t slices = 0;
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        const size_t now = state.version->SlotIndexById(choice.slot_id);
        if (auto change = AdoptL0(*state.version, now)) {
          slices = change->adoptions.size();
          edit.Add(std::move(*change));
        }
        return edit;
      },
      /*layers_flushed=*/0));
  context_.metrics->adoptions.Add();
  Record(EventKind::kAdoption, choice.slot_id, 0, 0, 0,
         static_cast<double>(slices), choice.reason);
  return 0;
}

absl::StatusOr<uint64_t> Background::Merge(const ReadView& view,
                                           const Slot& slot,
                                           const CompactionChoice& choice) {
  const uint64_t start = options_.clock->NowMicros();
  const Version& version = *view.version();
  std::vector<Run> runs;
  if (choice.merge_l0) runs = version.L0RunsIn(slot.range);
  const auto merged_runs = std::min<size_t>(
      static_cast<size_t>(choice.runs_to_merge), slot.runs.size());
  runs.insert(runs.end(), slot.runs.begin(),
              slot.runs.begin() + static_cast<ptrdiff_t>(merged_runs));
  uint64_t bytes_in = 0;
  for (const Run& run : runs) bytes_in += run.bytes();
  Record(EventKind::kCompactionBegin, slot.id, bytes_in, 0, 0,
         static_cast<double>(runs.size()), choice.reason);
  const bool bottommost = merged_runs == slot.runs.size();
  NORI_ASSIGN_OR_RETURN(
      MergeResult result,
      MergeRuns(runs, slot.range, bottommost,
                WriterOptionsFor(view, slot, runs, bottommost)));
  if (bottommost) LearnOverlap(slot.id, runs, result);
  FinishedMerge finished;
  finished.slot_id = slot.id;
  finished.l0_cutoff = choice.merge_l0 ? L0Cutoff(version, slot.range) : 0;
  finished.merged_runs = merged_runs;
  finished.outputs = std::move(result.tables);
  finished.wall_micros = options_.clock->WallMicros();
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        NORI_ASSIGN_OR_RETURN(SlotChange change,
                              InstallMerge(*state.version, finished));
        edit.Add(std::move(change));
        return edit;
      },
      /*layers_flushed=*/0));
  if (const uint64_t micros = options_.clock->NowMicros() - start; micros > 0) {
    merge_bytes_ += bytes_in;
    merge_micros_ += micros;
  }
  context_.metrics->compactions.Add();
  context_.metrics->compaction_bytes_read.Add(bytes_in);
  context_.metrics->compaction_bytes_written.Add(result.bytes_out);
  Record(EventKind::kCompactionEnd, slot.id, bytes_in, result.bytes_out,
         options_.clock->NowMicros() - start,
         static_cast<double>(finished.outputs.size()), choice.reason);
  return result.bytes_out;
}

absl::StatusOr<MergeResult> Background::MergeRuns(
    const std::vector<Run>& runs, const KeyRange& range, bool bottommost,
    const TableWriterOptions& tables) {
  MergeInput input;
  TableIterOptions iterate;
  iterate.fill_cache = false;
  iterate.readahead_bytes = kCompactionReadahead;
  for (const Run& run : runs) {
    input.layers.push_back(NewRunIterator(&run, iterate));
    AddTombstones(run, &input.tombstones);
  }
  input.range = range;
  input.snapshots = context_.snapshots->Held();
  input.bottommost = bottommost;
  MergeOutputOptions output;
  output.table = tables;
  output.table_bytes = options_.table_bytes;
  std::vector<uint64_t> numbers;
  output.new_file = [&] {
    auto file = context_.tables->NewFile();
    if (file.ok()) numbers.push_back(file->first);
    return file;
  };
  output.cancelled = &stopping_;
  absl::StatusOr<MergeResult> result = MergeToTables(std::move(input), output);
  absl::Status status = result.status();
  if (status.ok()) {
    status = options_.file_system->SyncDirectory(context_.tables->directory());
  }
  if (status.ok()) return result;
  for (uint64_t number : numbers) context_.tables->Discard(number);
  return status;
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

absl::Status Background::AdjustMaxRuns() {
  struct NewLimit {
    uint64_t slot;
    int max_runs;
    double heat;
  };
  std::vector<NewLimit> changes;
  {
    absl::MutexLock lock(&mutex_);
    const ReadViewRef view = context_.state->view();
    for (const SlotView& slot : SlotViews(*view)) {
      const int max_runs = run_policy_->MaxRuns(slot);
      if (max_runs != slot.max_runs) {
        changes.push_back({slot.id, max_runs, slot.heat});
      }
    }
  }
  if (changes.empty()) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        for (const NewLimit& change : changes) {
          const size_t index = state.version->SlotIndexById(change.slot);
          // Split since; its children are looked at next time.
          if (index == state.version->slots().size()) continue;
          SlotRecord record = ToRecord(*state.version->slots()[index]);
          record.max_runs = change.max_runs;
          record.heat = change.heat;
          edit.replacements.push_back({record.range, {record}});
        }
        return edit;
      },
      /*layers_flushed=*/0));
  for (const NewLimit& change : changes) {
    Record(EventKind::kMaxRunsChange, change.slot, 0, 0, 0, change.max_runs,
           absl::StrCat("heat ", change.heat));
  }
  Signal();
  return absl::OkStatus();
}

absl::Status Background::CompactRange(const KeyRange& range) {
  const VersionRef version = context_.state->view()->version();
  const auto [first, last] = version->SlotRangeFor(range);
  for (size_t i = first; i <= last; ++i) {
    const uint64_t id = version->slots()[i]->id;
    LockSlot(id);
    const auto unlock = absl::MakeCleanup([&] { UnlockSlot(id); });
    const VersionRef now = context_.state->view()->version();
    const size_t index = now->SlotIndexById(id);
    // Split or joined meanwhile: what it became was compacted for that.
    if (index == now->slots().size()) continue;
    CompactionChoice choice;
    choice.slot_id = id;
    choice.runs_to_merge = static_cast<int>(now->slots()[index]->runs.size());
    choice.reason = "manual";
    if (choice.runs_to_merge == 0 &&
        now->L0RunsIn(now->slots()[index]->range).empty()) {
      continue;
    }
    NORI_RETURN_IF_ERROR(Execute(choice).status());
    NORI_RETURN_IF_ERROR(SplitIfLarge(id));
  }
  context_.controller->Update();
  return absl::OkStatus();
}

}  // namespace nori
