// The four pressure zones: how much writers are slowed.

#ifndef NORI_ENGINE_PRESSURE_PRESSURE_H_
#define NORI_ENGINE_PRESSURE_PRESSURE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "engine/options.h"

namespace nori {

enum class PressureZone : uint8_t { kGreen = 0, kYellow = 1, kOrange = 2, kRed = 3 };
const char* PressureZoneName(PressureZone zone);

struct PressureInputs {
  int l0_tables = 0;
  int immutable_memtables = 0;
  uint64_t memtable_bytes = 0;      // active and immutable
  int slots = 0;
  int slots_over_max_runs = 0;      // weighted by how far they are over
  uint64_t memory_bytes = 0;        // all memory the engine accounts for
  double active_fill = 0;           // of the active memtable, 0..1
};

struct PressureState {
  double score = 0;                 // 0: idle, 1: red begins
  PressureZone zone = PressureZone::kGreen;
  // Delay per MiB written; grows continuously with the score, 0 in green.
  absl::Duration delay_per_mib;
  bool must_wait = false;           // red: wait for background work
};

// The composite score with hard limits of its own beside it: L0 at its hard
// limit, or the immutable memtables at theirs while the active one is full, is
// red whatever the rest says. Zones have hysteresis: one is left below the
// score at which it was entered. Continuous and monotonic in every input.
class PressureGauge {
 public:
  explicit PressureGauge(const Options& options);
  PressureState Update(const PressureInputs& inputs);
  const PressureState& state() const { return state_; }

 private:
  Options options_;
  PressureState state_;
};

}  // namespace nori

#endif  // NORI_ENGINE_PRESSURE_PRESSURE_H_
