// How data moves from L0 into a slot: as it is, or by a merge.
//
// All functions are plain data in, plain data out: they read a version and say
// what an edit has to change. They fit the version they were given as long as
// nobody else changed the slot; the caller holds the slot's turn from choosing
// the inputs until the edit is logged. L0 may get new tables meanwhile.

#ifndef NORI_ENGINE_SLOTS_ADOPTION_H_
#define NORI_ENGINE_SLOTS_ADOPTION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/slots/slot_record.h"
#include "engine/slots/version.h"

namespace nori {

// The highest sequence number of the L0 tables that have data in `range`, or 0:
// the cutoff of a job that takes all that L0 holds there now.
SequenceNumber L0Cutoff(const Version& version, const KeyRange& range);

// Whether AdoptL0 would add no run to the slot, because the L0 slices overlap
// neither each other nor the newest run (true also without any L0 slice).
bool L0ExtendsNewestRun(const Version& version, size_t slot_index);

// Moves all L0 slices of the slot into it without copying. A slice becomes a
// new run only if it overlaps the newest run in keys; else it becomes part of
// that run, so that a sequential load keeps one run however long it lasts.
// Absent if L0 has nothing in the slot.
std::optional<SlotChange> AdoptL0(const Version& version, size_t slot_index);

// What a merge has read, and where its output goes.
struct FinishedMerge {
  uint64_t slot_id = 0;
  // All L0 tables with data in the slot and largest_sequence at most this were
  // inputs (L0Cutoff when the job began); 0: none.
  SequenceNumber l0_cutoff = 0;
  // So many of the slot's newest runs were inputs.
  size_t merged_runs = 0;
  // Ascending, disjoint, inside the slot's range; may be empty.
  std::vector<TableMeta> outputs;
  uint64_t wall_micros = 0;  // becomes the slot's last_compaction_micros
};

// Replaces the inputs of a merge by its outputs. The outputs become the newest
// run, or part of the next one if they do not overlap it. kInternal if the slot
// is gone or has fewer runs than were merged, or an output lies outside it.
absl::StatusOr<SlotChange> InstallMerge(const Version& version,
                                        FinishedMerge merge);

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_ADOPTION_H_
