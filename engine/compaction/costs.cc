#include "engine/compaction/costs.h"

#include <algorithm>
#include <cmath>

namespace nori {
namespace {

// Microseconds on a current machine: a filter's cache line; finding an entry in
// a cached block through the index; bringing a block in (from the operating
// system's cache, checksum and decompression included); one more input of a
// merging iterator.
constexpr double kFilterMicros = 0.05;
constexpr double kBlockMicros = 0.4;
constexpr double kMissMicros = 8;
constexpr double kInputMicros = 0.3;

// Events that the assumed ratios count as.
constexpr double kAssumedReads = 1000;
constexpr double kAssumedBytes = 1 << 20;

// Merges are neither faster nor slower than this, whatever the clock says.
constexpr double kFastestMerge = 0.001;
constexpr double kSlowestMerge = 1;

// What is silence between flushes.
constexpr double kSilentIntervals = 4;
constexpr double kSilentMicros = 2e6;

}  // namespace

double Costs::PointMicros() const {
  return kFilterMicros +
         false_positives * (kBlockMicros + block_misses * kMissMicros);
}

double Costs::ScanMicros() const {
  return kInputMicros + kBlockMicros + block_misses * kMissMicros;
}

void CostMeter::Observe(const CostTotals& totals, uint64_t now_micros,
                        double half_life_seconds) {
  const double seconds =
      now_micros > last_micros_
          ? static_cast<double>(now_micros - last_micros_) / 1e6
          : 0;
  const double keep =
      half_life_seconds > 0 ? std::exp2(-seconds / half_life_seconds) : 0;
  const auto add = [&](Share* share, uint64_t part, uint64_t last_part,
                       uint64_t whole, uint64_t last_whole) {
    share->part = keep * share->part + static_cast<double>(part - last_part);
    share->whole =
        keep * share->whole + static_cast<double>(whole - last_whole);
  };
  add(&false_positives_, totals.filter_false_positives,
      last_.filter_false_positives,
      totals.filter_false_positives + totals.filter_negatives,
      last_.filter_false_positives + last_.filter_negatives);
  add(&block_misses_, totals.blocks_missed, last_.blocks_missed,
      totals.blocks_read, last_.blocks_read);
  // Counters of one read may move one after the other.
  add(&absent_keys_, totals.gets - std::min(totals.gets, totals.get_hits),
      last_.gets - std::min(last_.gets, last_.get_hits), totals.gets,
      last_.gets);
  add(&merge_micros_, totals.merge_micros, last_.merge_micros,
      totals.merge_bytes, last_.merge_bytes);
  last_ = totals;
  last_micros_ = std::max(last_micros_, now_micros);
}

Costs CostMeter::costs() const {
  const Costs assumed;
  const auto ratio = [](const Share& share, double prior, double weight) {
    return std::clamp(share.Ratio(prior, weight), 0.0, 1.0);
  };
  Costs costs;
  costs.false_positives =
      ratio(false_positives_, assumed.false_positives, kAssumedReads);
  costs.block_misses =
      ratio(block_misses_, assumed.block_misses, kAssumedReads);
  costs.absent_keys = ratio(absent_keys_, assumed.absent_keys, kAssumedReads);
  costs.merge_micros_per_byte = std::clamp(
      merge_micros_.Ratio(assumed.merge_micros_per_byte, kAssumedBytes),
      kFastestMerge, kSlowestMerge);
  return costs;
}

void FlushMeter::Flushed(uint64_t now_micros) {
  if (flushed_ && now_micros > last_micros_) {
    interval_micros_.Add(static_cast<double>(now_micros - last_micros_));
  }
  flushed_ = true;
  last_micros_ = std::max(last_micros_, now_micros);
}

double FlushMeter::PerSecond(uint64_t now_micros) const {
  const double interval = interval_micros_.mean();
  if (interval <= 0) return 0;
  const double silence = now_micros > last_micros_
                             ? static_cast<double>(now_micros - last_micros_)
                             : 0;
  if (silence > std::max(kSilentIntervals * interval, kSilentMicros)) {
    return 0;
  }
  return 1e6 / interval;
}

double MergesPerByte(double rounds, int max_runs) {
  if (!(rounds > 1)) return 0;
  const auto arrivals = [&](double m) {
    double product = 1;
    for (int i = 1; i <= max_runs; ++i) product *= (m + i) / i;
    return product;
  };
  double low = 0;
  double high = rounds;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (arrivals(middle) < rounds ? low : high) = middle;
  }
  return high;
}

}  // namespace nori
