#include "engine/slots/slot_record.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace nori {

RunRecord ToRecord(const Run& run) {
  RunRecord record;
  record.slices.reserve(run.slices.size());
  for (const Slice& slice : run.slices) {
    record.slices.push_back({slice.table->meta.number, slice.range});
  }
  return record;
}

SlotRecord ToRecord(const Slot& slot) {
  SlotRecord record;
  record.id = slot.id;
  record.range = slot.range;
  record.runs.reserve(slot.runs.size());
  for (const Run& run : slot.runs) record.runs.push_back(ToRecord(run));
  record.max_runs = slot.max_runs;
  record.heat = slot.heat;
  record.last_compaction_micros = slot.last_compaction_micros;
  record.fixed_guard = slot.fixed_guard;
  return record;
}

bool RunsAreDisjoint(const RunRecord& a, const RunRecord& b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.slices.size() && j < b.slices.size()) {
    const KeyRange& x = a.slices[i].range;
    const KeyRange& y = b.slices[j].range;
    if (x.Overlaps(y)) return false;
    if (x.begin < y.begin) {
      ++i;
    } else {
      ++j;
    }
  }
  return true;
}

void UniteRuns(RunRecord from, RunRecord* into) {
  assert(RunsAreDisjoint(*into, from));
  std::vector<SliceRecord> all;
  all.reserve(into->slices.size() + from.slices.size());
  std::merge(std::make_move_iterator(into->slices.begin()),
             std::make_move_iterator(into->slices.end()),
             std::make_move_iterator(from.slices.begin()),
             std::make_move_iterator(from.slices.end()),
             std::back_inserter(all),
             [](const SliceRecord& a, const SliceRecord& b) {
               return a.range.begin < b.range.begin;
             });
  into->slices.clear();
  for (SliceRecord& slice : all) {
    if (!into->slices.empty()) {
      SliceRecord& last = into->slices.back();
      if (last.table == slice.table && last.range.end == slice.range.begin) {
        last.range.end = std::move(slice.range.end);
        continue;
      }
    }
    into->slices.push_back(std::move(slice));
  }
}

}  // namespace nori
