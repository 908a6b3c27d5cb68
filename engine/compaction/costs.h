// What reads and merges cost, as measured of late.

#ifndef NORI_ENGINE_COMPACTION_COSTS_H_
#define NORI_ENGINE_COMPACTION_COSTS_H_

#include <cstdint>

#include "engine/slots/recent_mean.h"

namespace nori {

// Running totals since the engine was opened, from its metrics.
struct CostTotals {
  uint64_t filter_negatives = 0, filter_false_positives = 0;
  uint64_t blocks_read = 0, blocks_missed = 0;
  uint64_t gets = 0, get_hits = 0;
  uint64_t merge_bytes = 0, merge_micros = 0;  // of merges that were timed
};

// Ratios over the whole engine. The initial values are what is assumed until
// there is something to measure.
struct Costs {
  double false_positives = 0.01;        // of the filters whose answer was no
                                        // or should have been
  double block_misses = 0.1;            // of the blocks that reads asked for
  double absent_keys = 0.5;             // of the point reads
  double merge_micros_per_byte = 0.02;  // of input: 50 MB/s

  // What one more run costs a point read that does not find its key there: the
  // filter, and a block if it lies.
  double PointMicros() const;
  // And what it costs a scan: no filter, always a block, one more input of the
  // merging iterator.
  double ScanMicros() const;
};

// Keeps the ratios. Events count less with age: by half after each half-life,
// whatever the interval between calls, so that a ratio is that of the last few
// half-lives, from the first event on. Not thread-safe.
class CostMeter {
 public:
  // `now_micros` is monotonic.
  void Observe(const CostTotals& totals, uint64_t now_micros,
               double half_life_seconds);
  Costs costs() const;

 private:
  struct Share {
    double part = 0, whole = 0;
    // With `weight` events of the assumed ratio beside the measured ones.
    double Ratio(double assumed, double weight) const {
      return (part + weight * assumed) / (whole + weight);
    }
  };
  CostTotals last_;
  uint64_t last_micros_ = 0;
  Share false_positives_, block_misses_, absent_keys_, merge_micros_;
};

// How often memtables are flushed. Not thread-safe.
class FlushMeter {
 public:
  // A flush is done. Times are monotonic microseconds.
  void Flushed(uint64_t now_micros);
  // Flushes per second over the last few; 0 where there have been none for much
  // longer than there used to be between two: whoever wrote has stopped.
  double PerSecond(uint64_t now_micros) const;

 private:
  bool flushed_ = false;  // ever
  uint64_t last_micros_ = 0;
  RecentMean interval_micros_;
};

// How often each byte that arrives in a slot is written by merges in the long
// run, where the slot holds `rounds` times what arrives at once and may have
// `max_runs` runs: the m with binomial(m + K, K) = rounds, as m steps of K runs
// take in that many arrivals (Mathieu, Staelin, Young and Yousefi, "Bigtable
// Merge Compaction", 2014). With K = 1 everything every time: rounds - 1.
double MergesPerByte(double rounds, int max_runs);

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_COSTS_H_
