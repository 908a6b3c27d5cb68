// The part of Background that picks, runs and installs compactions.

#include <algorithm>
#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
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

}  // namespace

std::optional<Background::Picked> Background::PickWork() {
  const PressureZone zone = context_.controller->pressure().zone;
  absl::MutexLock lock(&mutex_);
  const uint64_t generation = generation_;
  const ReadViewRef view = context_.state->view();
  const std::vector<SlotView> views = SlotViews(*view);
  Picked picked;
  for (const CompactionChoice& choice :
       scheduler_->PickAdoptions(views, zone)) {
    picked.adopting.push_back(choice.slot_id);
  }
  if (!picked.adopting.empty()) {
    busy_.insert(picked.adopting.begin(), picked.adopting.end());
    return picked;
  }
  const std::optional<CompactionChoice> choice = scheduler_->Pick(views, zone);
  if (!choice.has_value()) {
    if (busy_.empty()) idle_generation_ = generation;
    changed_.SignalAll();
    return std::nullopt;
  }
  const auto slot =
      std::find_if(views.begin(), views.end(),
                   [&](const SlotView& v) { return v.id == choice->slot_id; });
  busy_.insert(choice->slot_id);
  if (slot->merge_for_join) {
    guards_[choice->slot_id].join_wanted = false;
    guards_[choice->slot_id].join_merged = options_.clock->NowMicros();
  }
  picked.choice = *choice;
  picked.view = *slot;
  return picked;
}

absl::StatusOr<bool> Background::CompactOne() {
  const std::optional<Picked> picked = PickWork();
  if (!picked.has_value()) return false;
  if (!picked->adopting.empty()) {
    NORI_RETURN_IF_ERROR(Adopt(picked->adopting));
    context_.controller->Update();
    return true;
  }
  const auto unlock =
      absl::MakeCleanup([&] { UnlockSlots({picked->choice.slot_id}); });
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

absl::Status Background::Adopt(const std::vector<uint64_t>& ids) {
  const auto unlock = absl::MakeCleanup([&] { UnlockSlots(ids); });
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        for (uint64_t id : ids) {
          const size_t index = state.version->SlotIndexById(id);
          if (auto change = AdoptL0(*state.version, index)) {
            edit.Add(std::move(*change));
          }
        }
        return edit;
      },
      /*layers_flushed=*/0));
  context_.metrics->adoptions.Add(ids.size());
  Record(EventKind::kAdoption, ids.front(), 0, 0, 0,
         static_cast<double>(ids.size()), "l0");
  const ReadViewRef view = context_.state->view();
  const uint64_t target = LoadOf(*view).target_bytes;
  for (const SlotRef& slot : view->version()->slots()) {
    if (slot->bytes() > target &&
        std::find(ids.begin(), ids.end(), slot->id) != ids.end()) {
      NORI_RETURN_IF_ERROR(SplitIfLarge(slot->id));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Background::Execute(const CompactionChoice& choice) {
  const ReadViewRef view = context_.state->view();
  const size_t index = view->version()->SlotIndexById(choice.slot_id);
  if (index == view->version()->slots().size()) {
    return absl::InternalError("compaction of a slot that is gone");
  }
  assert(choice.merge_l0 || choice.runs_to_merge > 0);
  return Merge(*view, *view->version()->slots()[index], choice);
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
  SlotHeat& heat = *view.heat()[version.SlotIndex(slot.range.begin)];
  heat.AddMerge(result.bytes_out);
  if (bottommost) heat.ResetSkipped();
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
    status = context_.committer->SyncDirectory();
  }
  if (status.ok()) return result;
  for (uint64_t number : numbers) context_.tables->Discard(number);
  return status;
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
  NORI_RETURN_IF_ERROR(FinishDrops());
  // Guards may move meanwhile, so the next slot is looked up by its key.
  std::string begin = range.begin;
  while (true) {
    const VersionRef version = context_.state->view()->version();
    const uint64_t id = version->slots()[version->SlotIndex(begin)]->id;
    LockSlot(id);
    const auto unlock = absl::MakeCleanup([&] { UnlockSlots({id}); });
    const VersionRef now = context_.state->view()->version();
    const size_t index = now->SlotIndexById(id);
    if (index == now->slots().size()) continue;
    const Slot& slot = *now->slots()[index];
    CompactionChoice choice;
    choice.slot_id = id;
    choice.runs_to_merge = static_cast<int>(slot.runs.size());
    choice.reason = "manual";
    if (choice.runs_to_merge > 0 || !now->L0RunsIn(slot.range).empty()) {
      NORI_RETURN_IF_ERROR(Execute(choice).status());
      NORI_RETURN_IF_ERROR(SplitIfLarge(id));
    }
    begin = slot.range.end;
    if (begin.empty() || (!range.end.empty() && begin >= range.end)) break;
  }
  context_.controller->Update();
  return absl::OkStatus();
}

}  // namespace nori
