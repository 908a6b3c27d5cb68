// The workloads of atll_bench, and one of them over one store.

#ifndef NORI_BENCH_ATLL_WORKLOADS_H_
#define NORI_BENCH_ATLL_WORKLOADS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/keys.h"
#include "bench/store.h"
#include "engine/observe/histogram.h"

namespace nori::bench {

struct AtllOptions {
  uint32_t rows = 0;
  double seconds = 60;        // measured
  double warmup_seconds = 5;  // before that
  double move_seconds = 30;   // between the moves of `moving`
  uint64_t seed = 0;
};

// What one cell of the table came to. A negative number: does not apply.
struct CellMeasures {
  double operations = -1;  // a second
  double read_p50 = -1, read_p99 = -1, read_p999 = -1, read_max = -1;  // us
  double write_p50 = -1, write_p99 = -1, write_p999 = -1, write_max = -1;
  double written = -1;         // bytes to write calls for each user byte
  double tables_written = -1;  // of these, to tables
  double filters_asked = -1;   // by a point read
  double tables_read = -1;     // by a point read
  double blocks_read = -1;     // by a point read
  double space = -1;           // MB, tables, when quiet
  double space_peak = -1;      // MB, everything, sampled while running
  double adapt = -1;           // s, after a move
  double settle = -1;          // s, from the last operation until quiet
  double memory = -1;          // MB, largest resident set
};

// Their names as columns, in the order of the table.
struct MeasureColumn {
  const char* name;
  double CellMeasures::*value;
};
const std::vector<MeasureColumn>& MeasureColumns();

struct AtllWorkload {
  const char* name;
  const char* what;  // one line
};
const std::vector<AtllWorkload>& AtllWorkloads();

// Loads `store` as the workload asks, lets it settle, runs the workload for
// the warm-up and the measured time, lets it settle again. `directory` is the
// store's. Fails (measure.h) if a row is missing.
CellMeasures RunCell(const std::string& workload, const AtllOptions& options,
                     const std::string& directory, Store* store);

}  // namespace nori::bench

#endif  // NORI_BENCH_ATLL_WORKLOADS_H_
