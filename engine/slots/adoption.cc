#include "engine/slots/adoption.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nori {
namespace {

// Cuts L0 runs into layers, oldest first. A layer is one table, or several
// whose sequence numbers interleave (one flush wrote them, with disjoint keys):
// these must stay in one run, else two runs would interleave.
std::vector<RunRecord> LayersOldestFirst(std::vector<Run> l0_runs) {
  // The order within L0 says nothing about tables of one flush.
  std::sort(l0_runs.begin(), l0_runs.end(), [](const Run& a, const Run& b) {
    return a.smallest_sequence() < b.smallest_sequence();
  });
  std::vector<RunRecord> layers;
  SequenceNumber newest_of_layer = 0;
  for (const Run& run : l0_runs) {
    RunRecord record = ToRecord(run);
    if (!layers.empty() && run.smallest_sequence() <= newest_of_layer) {
      UniteRuns(std::move(record), &layers.back());
    } else {
      layers.push_back(std::move(record));
    }
    newest_of_layer = std::max(newest_of_layer, run.largest_sequence());
  }
  return layers;
}

// Puts `layer`, newer than everything in `runs`, on top of them.
void Stack(RunRecord layer, std::vector<RunRecord>* runs) {
  if (!runs->empty() && RunsAreDisjoint(runs->front(), layer)) {
    UniteRuns(std::move(layer), &runs->front());
  } else {
    runs->insert(runs->begin(), std::move(layer));
  }
}

SlotChange Replace(SlotRecord slot) {
  SlotChange change;
  SlotReplacement replacement;
  replacement.range = slot.range;
  replacement.slots.push_back(std::move(slot));
  change.replacements.push_back(std::move(replacement));
  return change;
}

}  // namespace

SequenceNumber L0Cutoff(const Version& version, const KeyRange& range) {
  SequenceNumber cutoff = 0;
  for (const L0Table& l0 : version.l0()) {
    if (l0.Overlaps(range)) {
      cutoff = std::max(cutoff, l0.table->meta.largest_sequence);
    }
  }
  return cutoff;
}

bool L0ExtendsNewestRun(const Version& version, size_t slot_index) {
  const Slot& slot = *version.slots()[slot_index];
  std::vector<RunRecord> runs;
  if (!slot.runs.empty()) runs.push_back(ToRecord(slot.runs.front()));
  for (RunRecord& layer : LayersOldestFirst(version.L0RunsIn(slot.range))) {
    Stack(std::move(layer), &runs);
  }
  return runs.size() <= 1;
}

std::optional<SlotChange> AdoptL0(const Version& version, size_t slot_index) {
  const Slot& slot = *version.slots()[slot_index];
  std::vector<RunRecord> layers =
      LayersOldestFirst(version.L0RunsIn(slot.range));
  if (layers.empty()) return std::nullopt;
  SlotRecord record = ToRecord(slot);
  for (RunRecord& layer : layers) Stack(std::move(layer), &record.runs);
  SlotChange change = Replace(std::move(record));
  change.adoptions.push_back({slot.range, L0Cutoff(version, slot.range)});
  return change;
}

absl::StatusOr<SlotChange> InstallMerge(const Version& version,
                                        FinishedMerge merge) {
  const size_t index = version.SlotIndexById(merge.slot_id);
  if (index == version.slots().size()) {
    return absl::InternalError(
        absl::StrCat("merge: slot ", merge.slot_id, " is gone"));
  }
  const Slot& slot = *version.slots()[index];
  if (slot.runs.size() < merge.merged_runs) {
    return absl::InternalError(absl::StrCat("merge: slot ", merge.slot_id,
                                            " has fewer runs than were "
                                            "merged"));
  }
  SlotRecord record = ToRecord(slot);
  record.runs.erase(
      record.runs.begin(),
      record.runs.begin() + static_cast<ptrdiff_t>(merge.merged_runs));
  RunRecord output;
  for (const TableMeta& meta : merge.outputs) {
    const KeyRange bounds = TableBounds(meta);
    // The bound after an inclusive largest key may touch the guard.
    if (!slot.range.Covers(bounds)) {
      return absl::InternalError(absl::StrCat("merge: table ", meta.number,
                                              " reaches out of slot ",
                                              merge.slot_id));
    }
    output.slices.push_back({meta.number, bounds});
  }
  if (!output.slices.empty()) Stack(std::move(output), &record.runs);
  record.last_compaction_micros = merge.wall_micros;
  SlotChange change = Replace(std::move(record));
  if (merge.l0_cutoff > 0) {
    change.adoptions.push_back({slot.range, merge.l0_cutoff});
  }
  change.new_tables = std::move(merge.outputs);
  return change;
}

}  // namespace nori
