#include "engine/compaction/filter_budget.h"

#include <algorithm>
#include <cmath>

namespace nori {
namespace {

constexpr double kLeast = 0.5;  // of the mean
constexpr double kMost = 2;
// A run that nobody asked of late may be asked soon: it counts as asked by this
// part of the average.
constexpr double kUnasked = 0.01;

}  // namespace

FilterBudget::FilterBudget(std::vector<FilterLoad> runs, double mean_bits)
    : mean_bits_(mean_bits) {
  double entries = 0;
  double probes = 0;
  std::erase_if(runs, [](const FilterLoad& run) { return run.entries < 1; });
  for (const FilterLoad& run : runs) {
    entries += run.entries;
    probes += run.probes;
  }
  if (!(probes > 0) || !(mean_bits > 0)) return;
  floor_ = kUnasked * probes / static_cast<double>(runs.size());
  double low = -100;
  double high = 100;
  for (int i = 0; i < 60; ++i) {
    level_ = (low + high) / 2;
    double bits = 0;
    for (const FilterLoad& run : runs) {
      bits += run.entries * BitsAt(level_, run);
    }
    (bits > mean_bits * entries ? high : low) = level_;
  }
  level_ = low;  // never more than the budget
}

double FilterBudget::BitsAt(double level, const FilterLoad& run) const {
  const double ratio =
      std::max(run.probes, floor_) / std::max(run.entries, 1.0);
  return std::clamp(level + std::log(ratio) / (M_LN2 * M_LN2),
                    kLeast * mean_bits_, kMost * mean_bits_);
}

double FilterBudget::BitsFor(const FilterLoad& run) const {
  return floor_ > 0 ? BitsAt(level_, run) : mean_bits_;
}

}  // namespace nori
