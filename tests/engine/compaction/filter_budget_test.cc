#include "engine/compaction/filter_budget.h"

#include <cmath>
#include <vector>

#include "engine/io/clock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

double Memory(const FilterBudget& budget, const std::vector<FilterLoad>& runs) {
  double bits = 0;
  for (const FilterLoad& run : runs) bits += run.entries * budget.BitsFor(run);
  return bits;
}

// Lookups a second that are let through in vain.
double Wasted(const std::vector<FilterLoad>& runs,
              const std::vector<double>& bits) {
  double wasted = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    wasted += runs[i].probes * std::exp(-bits[i] * M_LN2 * M_LN2);
  }
  return wasted;
}

TEST(FilterBudget, WithoutReadsOrFiltersEveryRunGetsTheMean) {
  const std::vector<FilterLoad> runs = {{100, 0}, {100000, 0}};
  EXPECT_EQ(FilterBudget(runs, 10).BitsFor(runs[0]), 10);
  EXPECT_EQ(FilterBudget(runs, 10).BitsFor(runs[1]), 10);
  EXPECT_EQ(FilterBudget({}, 10).BitsFor({5, 5}), 10);
  EXPECT_EQ(FilterBudget({{100, 5}}, 0).BitsFor({100, 5}), 0);
  EXPECT_NEAR(FilterBudget({{100, 5}, {100, 5}}, 10).BitsFor({100, 5}), 10,
              1e-6);
}

TEST(FilterBudget, SmallAndMuchAskedRunsGetMore) {
  const std::vector<FilterLoad> runs = {
      {1000, 1000}, {100000, 1000}, {100000, 10}, {100000, 0}};
  const FilterBudget budget(runs, 10);
  EXPECT_GT(budget.BitsFor(runs[0]), budget.BitsFor(runs[1]));
  EXPECT_GT(budget.BitsFor(runs[1]), budget.BitsFor(runs[2]));
  EXPECT_GE(budget.BitsFor(runs[2]), budget.BitsFor(runs[3]));
  EXPECT_GE(budget.BitsFor(runs[3]), 5);
  EXPECT_LE(budget.BitsFor(runs[0]), 20);
}

TEST(FilterBudget, KeepsToTheBudgetAndWastesLessThanEqualShares) {
  const uint64_t seed = 99;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<FilterLoad> runs;
    double entries = 0;
    for (uint64_t i = 0; i < 2 + random.Uniform(40); ++i) {
      runs.push_back({std::exp2(random.NextDouble() * 20),
                      std::exp2(10 + random.NextDouble() * 5)});
      entries += runs.back().entries;
    }
    const FilterBudget budget(runs, 10);
    EXPECT_LE(Memory(budget, runs), 10 * entries * (1 + 1e-9));
    std::vector<double> bits;
    for (const FilterLoad& run : runs) bits.push_back(budget.BitsFor(run));
    const double wasted = Wasted(runs, bits);
    EXPECT_LE(wasted,
              Wasted(runs, std::vector<double>(runs.size(), 10)) * (1 + 1e-6));
    // No exchange between two runs is better.
    for (int i = 0; i < 50; ++i) {
      const size_t a = random.Uniform(runs.size());
      const size_t b = random.Uniform(runs.size());
      std::vector<double> other = bits;
      other[a] += 0.01 / runs[a].entries;
      other[b] -= 0.01 / runs[b].entries;
      if (a == b || other[a] > 20 || other[b] < 5) continue;
      EXPECT_GE(Wasted(runs, other), wasted * (1 - 1e-6));
    }
  }
}

}  // namespace
}  // namespace nori
