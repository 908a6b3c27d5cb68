// Which slots have work, and what exactly would be merged in each.

#ifndef NORI_ENGINE_COMPACTION_PICKER_H_
#define NORI_ENGINE_COMPACTION_PICKER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/compaction/policy.h"
#include "engine/options.h"
#include "engine/pressure/pressure.h"

namespace nori {

// One slot's work, planned.
struct WorkItem {
  const SlotView* slot = nullptr;  // into the views given to FindWork
  CompactionChoice choice;         // reason "runs", "l0" or "tombstones"
  uint64_t bytes = 0;              // to be read and rewritten; 0: adoption
  int runs_before = 0;             // L0 slices included
  int runs_after = 0;
  int oldest_l0 = -1;            // place in L0 of its oldest slice; -1: none
  double l0_relief = 0;          // L0 tables this takes out, in fractions of
                                 // their bytes that are still in L0
  bool over_hard_bound = false;  // more runs than HardRunBound
  bool clean_first = false;      // more tombstones than anything else, or too
                                 // dear for scans
  double reclaimed = 0;  // bytes that it is expected to give back; only if
                         // space is why it was planned

  bool adopts_only() const {
    return choice.runs_to_merge == 0 && !choice.merge_l0;
  }
  // Reads saved per second and per MiB rewritten.
  double Gain() const;
};

struct WorkList {
  std::vector<WorkItem> items;  // in the order of the views
  int l0_tables = 0;
  bool space_due = false;    // near the limit of space amplification
  bool space_first = false;  // so far beyond it that it comes before pressure
};

// Bytes of a slot that a merge of all its sources would drop, by estimate: the
// overlapping part of all but the largest, and an entry of average size for
// each tombstone. 0 for a slot of one source: what a merge left was needed.
// Pinned bytes are not in it.
double DeadBytes(const SlotView& slot);

// Reads per second that notice the number of runs: scans open every run and
// count twice. A slot that nobody reads counts as read once a second, so that
// among such slots the cheapest relief still comes first.
double ReadWeight(const SlotView& slot);

// Runs, L0 slices included, beyond which a slot is compacted before any other
// consideration.
int HardRunBound(int max_runs);

// How much larger than the run above it a run should be, so that `max_runs`
// runs reach from the size of what arrives to that of the whole slot: half of
// (total / arriving) ^ (1 / max_runs), at least 1. With a fixed ratio near 1,
// as in universal compaction, a slot that is large for what arrives piles its
// bytes up in few runs of like size and pays several times as much; with this
// one simulated write amplification is within about a tenth of the best that K
// runs allow without knowing the future, m * K / (K + 1) for
// binomial(m + K, K) arrivals (Mathieu, Staelin, Young and Yousefi, "Bigtable
// Merge Compaction", 2014).
double RunRatio(uint64_t arriving, uint64_t total, int max_runs);

// The newest-first prefix of `run_bytes` to merge with `l0_bytes` bytes from
// L0: at least as many runs as it takes to end at `max_runs` or fewer, then
// every next run that is not larger than all before it together times RunRatio.
// So run sizes grow geometrically towards the oldest. With max_runs 1: all.
int MergePrefix(uint64_t l0_bytes, const std::vector<uint64_t>& run_bytes,
                int max_runs);

// Finds work. Remembers the slots that were cleaned of tombstones, so that
// tombstones which a snapshot holds are not rewritten again and again. Not
// thread-safe.
class Picker {
 public:
  explicit Picker(const Options& options)
      : l0_trigger_(options.l0_trigger),
        l0_soft_limit_(options.l0_soft_limit),
        space_limit_(options.space_amplification) {}

  // Plans for every slot with work that is not busy. The result points into
  // `slots`.
  WorkList FindWork(const std::vector<SlotView>& slots, PressureZone zone);

  // The item that must come first whatever the scheduler prefers, if any.
  // Never the bandit's business: adoptions, and the safety rule.
  std::optional<size_t> ForcedItem(const WorkList& work,
                                   PressureZone zone) const;

  // The choice is about to be carried out.
  void Picked(const WorkItem& item);
  void SlotRemoved(uint64_t id) { cleaned_.erase(id); }

 private:
  bool L0IsUrgent(int l0_tables, PressureZone zone) const {
    return l0_tables >= l0_soft_limit_ ||
           (zone >= PressureZone::kOrange && l0_tables >= l0_trigger_);
  }
  bool NeedsCleaning(const SlotView& slot);
  // Fills in the choice; false if the slot has no work.
  bool Plan(const SlotView& slot, const WorkList& work, bool l0_urgent,
            WorkItem* item);
  // Merges by the number of runs: too many, or to be joined.
  bool PlanUpkeep(const SlotView& slot, WorkItem* item);
  // The prefix that gives back the most per byte, if it is worth a job.
  static bool PlanReclaim(const SlotView& slot, WorkItem* item);
  void MeasureSpace(const std::vector<SlotView>& slots, WorkList* work) const;

  const int l0_trigger_;
  const int l0_soft_limit_;
  const double space_limit_;
  absl::flat_hash_map<uint64_t, uint64_t> cleaned_;  // id -> deletions before
};

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_PICKER_H_
