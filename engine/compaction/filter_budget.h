// How many filter bits a key of which run gets.

#ifndef NORI_ENGINE_COMPACTION_FILTER_BUDGET_H_
#define NORI_ENGINE_COMPACTION_FILTER_BUDGET_H_

#include <vector>

namespace nori {

// A run, as its filter sees it.
struct FilterLoad {
  double entries = 0;
  double probes = 0;  // lookups a second of keys that it does not hold
};

// Divides filter memory among runs so that the lookups which filters let
// through in vain are fewest (Dayan, Athanassoulis and Idreos, "Monkey: Optimal
// Navigable Key-Value Store", 2017, of runs that are asked unequally often). A
// filter of b bits a key lets exp(-b * ln(2)^2) through, so the sum over all
// runs of probes * exp(-b * ln(2)^2) is smallest, for a given sum of
// entries * b, where b = level + ln(probes / entries) / ln(2)^2: small runs and
// runs of much read slots get more. Each stays within half and twice the mean:
// heat moves faster than tables are rewritten.
class FilterBudget {
 public:
  // `runs`: all there are. The mean over their entries becomes `mean_bits`,
  // except where the bounds allow no more. Without probes, or with mean_bits 0,
  // every run gets mean_bits.
  FilterBudget(std::vector<FilterLoad> runs, double mean_bits);
  double BitsFor(const FilterLoad& run) const;

 private:
  double BitsAt(double level, const FilterLoad& run) const;

  const double mean_bits_;
  double floor_ = 0;  // probes of runs that nobody asks
  double level_ = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_FILTER_BUDGET_H_
