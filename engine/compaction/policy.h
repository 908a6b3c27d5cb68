// What to compact: heat per slot, K per slot, and the choice among slots.
//
// All of it is plain data in, decision out, so that a simulation can drive the
// same code as the engine.

#ifndef NORI_ENGINE_COMPACTION_POLICY_H_
#define NORI_ENGINE_COMPACTION_POLICY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/io/clock.h"
#include "engine/options.h"
#include "engine/pressure/pressure.h"

namespace nori {

// What a policy sees of a slot. Runs are newest first; L0 slices of the slot
// come before runs and count as runs that were not adopted yet.
struct SlotView {
  uint64_t id = 0;
  std::vector<uint64_t> l0_bytes;   // one per L0 table with data here, newest first
  std::vector<uint64_t> run_bytes;  // newest first
  uint64_t deletions = 0;           // point and range tombstones, estimate
  uint64_t entries = 0;
  int max_runs = 4;                 // K in force
  double heat = 0;                  // normalised, 0..1
  double read_rate = 0, write_rate = 0, scan_rate = 0;  // per second
  bool busy = false;                // a job has its lock
  bool l0_overlaps_first_run = true;  // false: L0 data extends run 1 without copying
};

// Adopt L0's slices and merge a newest-first prefix of the result.
struct CompactionChoice {
  uint64_t slot_id = 0;
  int runs_to_merge = 0;     // how many of slot.runs, newest first, are merged
                             // together with all L0 slices; 0 and no merge of L0
                             // slices among themselves: adopt only
  bool merge_l0 = true;      // false: L0 slices become runs as they are
  bool explored = false;     // the bandit tried rather than knew
  double score = 0;
  const char* reason = "";   // "runs", "l0", "tombstones", "pressure", "manual"
};

// Decides K from heat and rates. Hysteresis inside.
class RunPolicy {
 public:
  virtual ~RunPolicy() = default;
  virtual int MaxRuns(const SlotView& slot) = 0;
  virtual const char* name() const = 0;
};

// Chooses among slots with work. Learns from rewards.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual std::optional<CompactionChoice> Pick(
      const std::vector<SlotView>& slots, PressureZone zone) = 0;
  // Tells what a finished choice brought.
  virtual double Reward(const CompactionChoice& choice, int runs_before,
                        int runs_after, uint64_t bytes_rewritten,
                        const SlotView& slot) = 0;
  virtual void SlotCreated(uint64_t id, uint64_t parent_id) = 0;
  virtual void SlotRemoved(uint64_t id) = 0;
  virtual const char* name() const = 0;
};

// By the option's name; kInvalidArgument if unknown.
absl::StatusOr<std::unique_ptr<RunPolicy>> MakeRunPolicy(const Options& options);
absl::StatusOr<std::unique_ptr<Scheduler>> MakeScheduler(const Options& options);

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_POLICY_H_
