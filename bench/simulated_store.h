// A store of which only sizes exist: the engine's own run policy, picker,
// scheduler and pressure gauge over slots whose runs are numbers.

#ifndef NORI_BENCH_SIMULATED_STORE_H_
#define NORI_BENCH_SIMULATED_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/compaction/policy.h"
#include "engine/options.h"
#include "engine/pressure/pressure.h"

namespace nori::bench {

// A part of the key space with even traffic inside.
struct TrafficPart {
  std::string name;
  double begin = 0, end = 1;                // as fractions of the key space
  double writes = 0, reads = 0, scans = 0;  // shares of all; each sums up to 1
};

struct SimulationOptions {
  Options engine;  // memtable_bytes, slot_bytes, max_slots, policies, seed ...
  double data_bytes = 0;  // live, at the start
  bool grows = false;     // every write is of a new key; else none is
  double write_rate = 0;  // bytes a second that the user wants to write
  double read_rate = 0, scan_rate = 0;  // operations a second
  double disk_rate = 0;  // bytes a second read and written by merges
  double entry_bytes = 116;
  std::vector<TrafficPart> parts;
};

// Size above which a slot is cut, in bytes: SlotTargetBytes.
double SlotTarget(const SimulationOptions& options, double data_bytes);

struct SimulationState {
  double seconds = 0;     // simulated
  double user_bytes = 0;  // written by the user
  double flushed_bytes = 0, merged_bytes = 0;
  double stored_bytes = 0, live_bytes = 0;
  size_t slots = 0, runs = 0, most_runs = 0;
  size_t l0_tables = 0;
  uint64_t merges = 0, adoptions = 0, splits = 0, picks = 0;
  double filters_per_read = 0;  // L0 slices and runs, weighted by reads
  double delayed_seconds = 0;
  PressureZone zone = PressureZone::kGreen;
};

// The same for a part of the key space.
struct PartState {
  size_t slots = 0;
  double max_runs = 0, runs = 0;  // means over the slots
  double user_bytes = 0, written_bytes = 0;
};

// Deterministic: all randomness comes from options.engine.seed. One compaction
// thread; a merge takes the time that reading and writing its bytes takes, an
// adoption that of a manifest edit. Keys inside a slot are hit evenly, so what
// a merge leaves follows from the sizes alone. Cuts are by size only: heat
// inside a slot is even here. Not thread-safe.
class SimulatedStore {
 public:
  // `options` must be valid (ValidateOptions) and name known policies.
  explicit SimulatedStore(const SimulationOptions& options);

  // One memtable is filled and flushed while background work goes on.
  void FillMemtable();

  SimulationState State() const;
  PartState StateOf(const TrafficPart& part) const;

 private:
  struct L0Slice {
    uint64_t table = 0;
    double bytes = 0;
  };
  struct Slot {
    double begin = 0, end = 0;
    double live = 0;           // bytes of distinct keys that can be here
    std::vector<L0Slice> l0;   // newest first
    std::vector<double> runs;  // newest first
    double writes = 0, reads = 0, scans = 0;  // shares
    double user_bytes = 0, written_bytes = 0;
  };
  struct Job {
    CompactionChoice choice;
    SlotView view;
    size_t l0_slices = 0;
    double ends = 0;
  };

  void SetTraffic(Slot* slot) const;
  double SlotBytes(const Slot& slot) const;
  // Bytes of the union of sorted runs of these sizes.
  double Merged(const Slot& slot, const std::vector<double>& sizes) const;
  void Flush();
  // Lets the compaction thread work until `until`.
  void WorkUntil(double until);
  bool StartJob();
  void FinishJob();
  double Execute(const Job& job, Slot* slot);
  void SplitIfLarge(size_t index);
  void AdjustMaxRuns();
  void RefreshView(size_t index);
  // What the engine would have measured of this store by now.
  Costs MeasuredCosts() const;
  void RefreshAll();
  void ForgetEmptyTables();
  PressureState Pressure();
  size_t IndexOf(uint64_t slot_id) const;

  const SimulationOptions options_;
  const std::unique_ptr<RunPolicy> policy_;
  const std::unique_ptr<Scheduler> scheduler_;
  PressureGauge gauge_;
  std::vector<Slot> slots_;      // in key order
  std::vector<SlotView> views_;  // of slots_, kept up to date
  std::vector<uint64_t> l0_;     // tables with slices left, newest first
  std::optional<Job> job_;
  double idle_since_ = 0;  // of the compaction thread
  uint64_t next_table_ = 1, next_slot_ = 1;
  SimulationState totals_;  // the counts
};

}  // namespace nori::bench

#endif  // NORI_BENCH_SIMULATED_STORE_H_
