// The part of Background that gives back the space of ranges that were deleted
// as a whole, by edits alone.

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "engine/core/background.h"
#include "engine/format/status_macros.h"
#include "engine/slots/adoption.h"

namespace nori {

void Background::DropRange(const KeyRange& range, SequenceNumber sequence) {
  absl::MutexLock lock(&mutex_);
  dropped_.push_back({range, sequence});
}

absl::Status Background::FinishDrops() {
  std::vector<DroppedRange> due;
  {
    absl::MutexLock lock(&mutex_);
    if (dropped_.empty()) return absl::OkStatus();
    // What is flushed is durable, and beyond being cut from the log.
    const SequenceNumber flushed =
        context_.state->manifest_state().last_sequence;
    const std::vector<SequenceNumber> held = context_.snapshots->Held();
    const auto ready = std::partition(
        dropped_.begin(), dropped_.end(), [&](const DroppedRange& drop) {
          return drop.sequence > flushed ||
                 (!held.empty() && held.front() < drop.sequence);
        });
    due.assign(ready, dropped_.end());
    dropped_.erase(ready, dropped_.end());
  }
  for (const DroppedRange& drop : due) {
    const VersionRef version = context_.state->view()->version();
    const auto [first, last] = version->SlotRangeFor(drop.range);
    bool all_done = true;
    for (size_t i = first; i <= last; ++i) {
      const Slot& slot = *version->slots()[i];
      // What reaches over the range is left to compaction.
      if (!drop.range.Covers(slot.range)) continue;
      const bool empty =
          slot.runs.empty() && version->L0RunsIn(slot.range).empty();
      if (empty && !slot.fixed_guard) continue;
      NORI_ASSIGN_OR_RETURN(const bool done, EmptySlot(slot.id));
      all_done = all_done && done;
    }
    // A compaction may take long, and guards may have moved: by its keys the
    // next call finds what is left.
    if (!all_done) DropRange(drop.range, drop.sequence);
  }
  return absl::OkStatus();
}

bool Background::IsDropped(const KeyRange& range) const {
  return std::any_of(
      dropped_.begin(), dropped_.end(),
      [&](const DroppedRange& drop) { return drop.range.Overlaps(range); });
}

absl::StatusOr<bool> Background::EmptySlot(uint64_t slot_id) {
  if (!TryLockSlots({slot_id})) return false;
  const auto unlock = absl::MakeCleanup([&] { UnlockSlots({slot_id}); });
  const VersionRef locked = context_.state->view()->version();
  if (locked->SlotIndexById(slot_id) == locked->slots().size()) return false;
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        const Version& version = *state.version;
        const Slot& slot = *version.slots()[version.SlotIndexById(slot_id)];
        // A merge of everything that leaves nothing.
        FinishedMerge merge;
        merge.slot_id = slot_id;
        merge.l0_cutoff = L0Cutoff(version, slot.range);
        merge.merged_runs = slot.runs.size();
        merge.wall_micros = options_.clock->WallMicros();
        NORI_ASSIGN_OR_RETURN(SlotChange change,
                              InstallMerge(version, std::move(merge)));
        // The guard stood for a table that is gone: neighbours may be joined.
        for (SlotReplacement& replacement : change.replacements) {
          for (SlotRecord& record : replacement.slots) {
            record.fixed_guard = record.range.begin.empty();
          }
        }
        edit.Add(std::move(change));
        return edit;
      },
      /*layers_flushed=*/0));
  {
    absl::MutexLock lock(&mutex_);
    if (const auto it = guards_.find(slot_id); it != guards_.end()) {
      // What was learned was of data that are gone.
      it->second.overlap.reset();
      it->second.join_wanted = false;
      it->second.join_merged = 0;
    }
  }
  Record(EventKind::kCompactionEnd, slot_id, 0, 0, 0, 0, "dropped");
  return true;
}

}  // namespace nori
