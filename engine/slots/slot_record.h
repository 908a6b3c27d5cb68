// Slots as plain data: what a version edit says of them.

#ifndef NORI_ENGINE_SLOTS_SLOT_RECORD_H_
#define NORI_ENGINE_SLOTS_SLOT_RECORD_H_

#include <cstdint>
#include <vector>

#include "engine/slots/version.h"

namespace nori {

struct SliceRecord {
  uint64_t table = 0;
  KeyRange range;
  friend bool operator==(const SliceRecord&, const SliceRecord&) = default;
};
struct RunRecord {
  std::vector<SliceRecord> slices;  // ascending, disjoint, never empty
  friend bool operator==(const RunRecord&, const RunRecord&) = default;
};
struct SlotRecord {
  uint64_t id = 0;
  KeyRange range;
  std::vector<RunRecord> runs;  // newest first
  int max_runs = 4;
  double heat = 0;
  uint64_t last_compaction_micros = 0;
  bool fixed_guard = false;
  friend bool operator==(const SlotRecord&, const SlotRecord&) = default;
};

// Takes [range) out of every L0 table whose largest_sequence is at most
// `through_sequence`: oldest first by construction.
struct L0Adoption {
  KeyRange range;
  SequenceNumber through_sequence = 0;
  friend bool operator==(const L0Adoption&, const L0Adoption&) = default;
};

// Replaces the slots that exactly tile `range` by `slots`, which tile it too.
struct SlotReplacement {
  KeyRange range;
  std::vector<SlotRecord> slots;
  friend bool operator==(const SlotReplacement&,
                         const SlotReplacement&) = default;
};

// The parts of one atomic edit that change slots.
struct SlotChange {
  std::vector<TableMeta> new_tables;
  std::vector<L0Adoption> adoptions;
  std::vector<SlotReplacement> replacements;
};

// The record forms of a run and of a slot in a version.
RunRecord ToRecord(const Run& run);
SlotRecord ToRecord(const Slot& slot);

// Whether no key range of one run overlaps one of the other: then they can be
// one run.
bool RunsAreDisjoint(const RunRecord& a, const RunRecord& b);

// Puts the slices of `from` into `into` in key order; touching slices of one
// table become one. REQUIRES: RunsAreDisjoint(*into, from).
void UniteRuns(RunRecord from, RunRecord* into);

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_SLOT_RECORD_H_
