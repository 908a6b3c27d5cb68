// The four pressure zones: how much writers are slowed.

#ifndef NORI_ENGINE_PRESSURE_PRESSURE_H_
#define NORI_ENGINE_PRESSURE_PRESSURE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "engine/options.h"

namespace nori {

enum class PressureZone : uint8_t {
  kGreen = 0,
  kYellow = 1,
  kOrange = 2,
  kRed = 3
};
// "green", "yellow", "orange" or "red".
const char* PressureZoneName(PressureZone zone);

struct PressureInputs {
  int l0_tables = 0;
  int immutable_memtables = 0;
  uint64_t memtable_bytes = 0;  // active and immutable
  int slots = 0;
  int slots_over_max_runs = 0;  // summed over slots: runs beyond K. L0
                                // slices do not count: l0_tables has them
  uint64_t memory_bytes = 0;    // all memory the engine accounts for
  double active_fill = 0;       // of the active memtable, 0..1
};

struct PressureState {
  double score = 0;  // 0: idle, 0.5: yellow begins, 0.75:
                     // orange, 0.9: red
  PressureZone zone = PressureZone::kGreen;
  // Delay per MiB written; grows continuously with the score, 0 in green.
  absl::Duration delay_per_mib;
  bool must_wait = false;  // at a hard limit: wait for background work
};

// One score from four parts: L0 tables, memtables, runs over K, memory. A part
// is 0 when idle, 0.5 where writers begin to be slowed (the soft limit of L0;
// half of the immutable memtables waiting under a full active one; two runs
// over K in the average slot; 80% of the memory limit) and 0.9 at its hard
// limit (of runs, eight over K), with straight lines between. The score is
// their 8-norm, (sum of part^8)^(1/8): a weighted mean would hide an L0 at its
// limit behind idle memory, while here the largest part always shows in full
// and the others add a little. Memory alone ends in mid-orange: it slows
// writers, but waiting would not free it.
//
// The delay is 0 up to a score of 0.5 and then grows with the square of the
// distance: 10 ms a MiB at 0.6, 60 at the start of orange, 100 in
// its middle (10 MiB/s), 150 where red begins, 950 at the highest score, 1.5,
// which no compaction is too slow for.
//
// Score and delay are continuous and monotonic in every input. Beside the
// score stand hard limits: L0 at its hard limit, or the immutable memtables at
// theirs while the active one is full, is red whatever the rest says, and the
// only reason to wait. Runs over K never are: a merge of a large slot takes
// long, and writers that stood still until some were done would go on in jerks.
// A zone is entered at its threshold and left 0.05 below it; the delay follows
// the score alone, so it does not jump with the zone.
//
// Not thread-safe.
class PressureGauge {
 public:
  explicit PressureGauge(const Options& options);
  // Call when an input has changed. Remembers the zone for its hysteresis.
  PressureState Update(const PressureInputs& inputs);
  // The result of the last Update; green before the first.
  const PressureState& state() const { return state_; }

 private:
  Options options_;
  PressureState state_;
};

}  // namespace nori

#endif  // NORI_ENGINE_PRESSURE_PRESSURE_H_
